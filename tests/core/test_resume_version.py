"""A run that goes on with another PyTorch says so, and goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core import methods, runner
from core.control import Control
from core.errors import Cancelled
from core.memory import forget_peak, peak_memory_mb
from core.methods.base import Step
from core.problem import Problem
from core.store import Store


def test_another_pytorch_is_noted_with_the_step_it_took_over_at(
    problem32: Problem, tiny_suite: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    method, control = methods.get("adamerging"), Control()
    settings = method.Settings(steps=6, batch=2)  # type: ignore[call-arg]

    def stop(step: Step) -> None:
        if step.number == 3:
            control.cancel()

    with Store.open(tmp_path) as store, caplog.at_level(logging.WARNING):
        run_id = runner.create(store, problem32, method, settings, origin=str(tiny_suite))
        with pytest.raises(Cancelled):
            runner.execute(store, run_id, problem32, method, settings, control=control, on_step=stop)
        here = problem32.execution["torch"]
        store.describe(run_id, execution=dict(store.run(run_id).execution) | {"torch": "1.0"})
        runner.execute(store, run_id, problem32, method, settings)
        found = store.run(run_id)
        assert (found.status, found.steps_done) == ("done", 6)
        assert found.execution["resumed_with"] == [{"after_step": 3, "torch": here}]
        assert f"began with PyTorch 1.0 and goes on after step 3 with {here}" in caplog.text


def test_the_peak_of_memory_can_begin_anew() -> None:
    block = bytearray(200 * 2**20)
    block[:: 2**12] = b"x" * len(block[:: 2**12])
    high = peak_memory_mb()
    del block
    forget_peak()
    if Path("/proc/self/clear_refs").exists():
        assert peak_memory_mb() < high - 100
