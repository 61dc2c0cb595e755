"""Three nodes, the bundled suite, and one of the nodes dies half-way: `.github/SCALE.md` has the figures."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from core import studies
from core.cluster.connection import connected
from core.cluster.driver import Driver
from core.control import Control
from core.problem import loading
from core.problem.problem import Problem
from core.progress import SILENT
from core.runs.places import Place, here
from core.runs.spec import RunSpec
from core.store import Store
from core.studies.engine.execution import execute, register
from core.studies.engine.scope import StudyOptions
from core.suite.find import find
from tests.core.clusters import nodes
from tests.core.store_help import done, same_run
from tests.core.study_help import planned
from tests.waiting import until

TASKS = ("digits", "letters")
OPTIONS = {"methods": ("adamerging",), "tasks": TASKS, "seeds": tuple(range(40)), "settings": {"steps": 10}}
CELLS = 40


def carry_out(store: Store, problem: Problem, place: Place) -> str:
    study, file = studies.get("seeds"), find("demo")
    options = StudyOptions(**OPTIONS)  # type: ignore[arg-type]
    study_id = register(store, study, file, options, planned(study, file, **OPTIONS))
    execute(store, study_id, nullcontext((problem, place)), control=Control())
    return study_id


@pytest.mark.nightly
def test_forty_cells_on_three_nodes_of_which_one_dies_are_forty_results_with_the_bits_of_one_machine(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    problem = loading.load(find("demo"), TASKS, device="cpu", precision="float32")
    with nodes(3) as three, connected(three.address) as cluster, Store.open(tmp_path / "there") as store:
        began = time.monotonic()
        place = Driver(cluster, problem, "float32").place(store, Control(), SILENT)
        sent = time.monotonic()

        def kill() -> None:
            until(lambda: len(done(tmp_path / "there")) >= CELLS // 2, 1800)
            three.kill_node()

        killer = threading.Thread(target=kill)
        killer.start()
        study_id = carry_out(store, problem, place)
        killer.join()
        ended = time.monotonic()
        assert cluster.room == 2
        record = store.studies.get(study_id)
        assert (record.status, record.error) == ("done", None)
        runs = store.runs()
        assert Counter(run.status for run in runs) == {"done": CELLS}
        assert len({run.cell for run in runs}) == CELLS
        local = here(store, problem, Control(), SILENT)
        began_local = time.monotonic()
        for run in runs[:: CELLS // 4]:
            again = RunSpec.stored(store.run(run.id)).create(store)
            assert dict(local.carry_out([again])) == {again: None}
            same_run(store, run.id, again)
        alone = (time.monotonic() - began_local) / len(runs[:: CELLS // 4])
    for name, seconds in {"sent": sent - began, "all cells": ended - sent, "a cell alone": alone}.items():
        record_property(name, round(seconds, 1))
