"""A run that goes on with another PyTorch says so, and goes on."""

from __future__ import annotations

import contextlib
import logging
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import methods
from core.control import Control
from core.errors import Cancelled
from core.problem.memory import forget_peak, peak_memory_mb
from core.problem.method import Step
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.settings import parse
from core.store import Store
from core.studies.engine.cells import Cell


@pytest.mark.slow
def test_another_pytorch_is_noted_with_the_step_it_took_over_at(
    problem32: Problem, tiny_suite: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    method, control = methods.get("adamerging"), Control()
    settings = method.Settings(steps=6, batch=2)  # type: ignore[call-arg]

    def stop(step: Step) -> None:
        if step.number == 3:
            control.cancel()

    with Store.open(tmp_path) as store, caplog.at_level(logging.WARNING):
        run_id = RunSpec.of(problem32, method, settings, origin=str(tiny_suite)).create(store)
        with pytest.raises(Cancelled):
            runner.execute(
                store, run_id, problem32, RunSpec.of(problem32, method, settings), control=control, on_step=stop
            )
        here = problem32.execution["torch"]
        store.describe(run_id, execution=store.run(run_id).execution.plain() | {"torch": "1.0"})
        runner.execute(store, run_id, problem32, RunSpec.of(problem32, method, settings))
        found = store.run(run_id)
        assert (found.status, found.steps_done) == ("done", 6)
        assert found.execution.resumed_with == ({"after_step": 3, "torch": here},)
        assert f"began with PyTorch 1.0 and continues after step 3 with {here}" in caplog.text


@pytest.mark.slow
def test_a_run_of_before_a_setting_goes_on_as_it_began(problem32: Problem, tiny_suite: Path, tmp_path: Path) -> None:
    """FW-Merging chose by cosines before there was `score`; its runs have no word about it on record."""
    method = methods.get("fw_hard")
    asked = {"steps": 4, "samples": 8, "per": "layer", "step_size": 10, "scale": 1}
    with Store.open(tmp_path) as store:

        def finish(stop_at: int | None, **values: object) -> tuple[str, dict[str, Any]]:
            settings, control = parse(method.Settings, asked | values, "fw_hard"), Control()
            run_id = RunSpec.of(problem32, method, settings, origin=str(tiny_suite)).create(store)

            def stop(step: Step) -> None:
                if step.number == stop_at:
                    control.cancel()

            with contextlib.suppress(Cancelled):
                runner.execute(
                    store, run_id, problem32, RunSpec.of(problem32, method, settings), control=control, on_step=stop
                )
            return run_id, dict(store.run(run_id).settings)

        whole, other = finish(None, score="cosine")[0], finish(None)[0]
        old, stored = finish(2, score="cosine")
        store.describe(old, settings={name: value for name, value in stored.items() if name != "score"})
        runner.execute(store, old, *runner.reopen(store.run(old), load=lambda *_, **__: problem32))
        rows = [store.steps(run_id)[-1].coefficients for run_id in (old, whole, other)]
        assert np.array_equal(rows[0], rows[1])
        assert not np.array_equal(rows[0], rows[2])


def test_a_cell_of_before_a_setting_is_carried_out_as_it_was_planned(problem32: Problem, tmp_path: Path) -> None:
    cell = Cell("fw_soft", {"steps": 2, "seed": 0}, problem32.tasks)
    with Store.open(tmp_path) as store:
        run_id = cell.spec(problem32).create(store, cell=True)
        assert store.run(run_id).settings["score"] == "cosine"


@pytest.mark.slow
def test_the_peak_of_memory_can_begin_anew() -> None:
    # Mapped: what a list or bytearray gives back may stay with the process, in gaps that other tests have left.
    with mmap.mmap(-1, 200 * 2**20) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        high = peak_memory_mb()
    forget_peak()
    if Path("/proc/self/clear_refs").exists():
        assert peak_memory_mb() < high - 100
