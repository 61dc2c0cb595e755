"""One identity of a run: the same from wherever it is asked for, another one for each thing that its result needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from core import methods
from core.errors import BadInput
from core.learning.coefficients import LearningSettings
from core.problem.problem import Problem
from core.problem.variants import variant
from core.runs import runner, spec
from core.runs.jobs import Jobs
from core.runs.spec import APART, RunSpec
from core.settings import MethodSettings
from core.store import Execution, Store, WhatIf
from core.studies.engine.cells import Cell
from core.suite.find import find
from tests.core.store_help import asked

METHOD, SETTINGS = methods.get("adamerging"), LearningSettings(steps=2, batch=2, group="block")
WHERE = ("suite", "origin", "name")
"""Of `RunSpec`, what tells where a run is, and not what it gives."""
CHANGES: dict[str, Any] = {
    "method": methods.get("samerging"),
    "settings": LearningSettings(steps=2, batch=2, group="block", lr=0.5),
    "tasks": ("task0", "task1"),
    "hashes": {"base": "f" * 64},
}
HOW: dict[str, Any] = {
    "device": "cuda",
    "precision": "bfloat16",
    "deltas": "bfloat16",
    "threads": 99,
    "torch": "1.0",
    "made_by": "0.0.1",
    "unseen": ("task2",),
    "images": {"corruption": "fog", "severity": 5},
    "images_from": ("task0",),
    "measures": ({"name": "calibration"},),
    "what_if": WhatIf("0" * 12, 1, ()),
    "resumed_with": ({"after_step": 1, "torch": "1.0"},),
    "content": {"task0": "other images"},
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as opened:
        yield opened


@pytest.mark.parametrize("name", [one.name for one in fields(RunSpec) if one.name != "execution"])
def test_each_fact_of_a_run_is_part_of_its_key_or_says_only_where_it_is(problem32: Problem, name: str) -> None:
    known = RunSpec.of(problem32, METHOD, SETTINGS)
    changed = replace(known, **{name: "elsewhere" if name in WHERE else CHANGES[name]})
    assert (changed.key == known.key) == (name in WHERE)


@pytest.mark.parametrize("name", [one.name for one in fields(Execution)])
def test_each_fact_of_the_execution_is_part_of_the_key_or_stands_apart(problem32: Problem, name: str) -> None:
    known = RunSpec.of(problem32, METHOD, SETTINGS)
    other = {"memory": "mapped", "micro_batch": 1, "evaluate_every": 7, "loaded": ("x",), "keep_model": False}
    value = HOW[name] if name in HOW else other.get(name, {"later": 1})
    assert value != getattr(known.execution, name)
    changed = replace(known, execution=replace(known.execution, **{name: value}))
    assert (changed.key == known.key) == (name in APART - {"content"})


def test_it_has_one_key_wherever_it_is_asked_for(
    problem32: Problem, tiny_suite: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = RunSpec.of(problem32, METHOD, SETTINGS, origin=str(tiny_suite))
    cell = Cell("adamerging", SETTINGS.model_dump(mode="json"), problem32.tasks, problem32.unseen)
    monkeypatch.setattr(Jobs, "_require_room", lambda *_: None)
    jobs = Jobs(store, load=lambda *_, **__: problem32)
    given = {"steps": 2, "batch": 2, "group": "block"}
    run_id = jobs.submit(asked(tiny_suite, settings=given, device="cpu"), find(str(tiny_suite)))
    assert jobs.worker.wait(lambda: not jobs.active(), 60)
    page = store.run(run_id)
    assert page.status == "done"
    assert {cell.spec(problem32).key, cell.key(problem32), RunSpec.stored(page).key} == {command.key}
    compared = command.earlier(store)
    assert compared is not None
    assert compared.id == run_id
    again = store.run(cell.spec(problem32).create(store, cell=True))
    assert (again.cell, RunSpec.stored(again).key) == (command.key, command.key)


def test_a_changed_formula_makes_another_run(problem32: Problem, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = RunSpec.of(problem32, METHOD, SETTINGS)
    store.set_status(before.create(store), "done")
    monkeypatch.setattr(spec, "REVISION", spec.REVISION + 1)
    assert before.earlier(store) is not None
    assert RunSpec.of(problem32, METHOD, SETTINGS).earlier(store) is None


@pytest.mark.parametrize("images", [None, {"corruption": "contrast", "severity": 2}])
def test_a_part_of_a_problem_is_what_its_cell_says(problem32: Problem, images: dict[str, Any] | None) -> None:
    tasks, unseen = problem32.tasks[:2], problem32.tasks[2:]
    cell = Cell("average", {"seed": 0}, tasks, unseen, images, images_from=tasks[:1])
    part = variant(problem32, tasks, unseen, images, tasks[:1])
    assert RunSpec.of(part, methods.get("average"), MethodSettings()).key == cell.key(problem32)


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_images(problem32: Problem, store: Store) -> None:
    run_id = RunSpec.of(problem32, METHOD, SETTINGS).create(store)

    def stop(_step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.execute(store, run_id, problem32, RunSpec.of(problem32, METHOD, SETTINGS), on_step=stop)
    other = replace(problem32, content=dict(problem32.content) | {"task1": "0" * 64})
    with pytest.raises(BadInput, match="only continue with `images of task1` as it began"):
        runner.execute(store, run_id, other, RunSpec.of(other, METHOD, SETTINGS))
    runner.execute(store, run_id, problem32, RunSpec.of(problem32, METHOD, SETTINGS))


def test_what_a_later_version_notes_is_kept(problem32: Problem, store: Store) -> None:
    known = RunSpec.of(problem32, METHOD, SETTINGS)
    run_id = known.create(store)
    store.describe(run_id, execution=known.execution.plain() | {"rounding": "even"})
    found = store.run(run_id).execution
    assert found.more == {"rounding": "even"}
    assert found.plain() == known.execution.plain() | {"rounding": "even"}
    assert Execution.of_plain(found.plain()) == found


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Store]:
    """A store of 0.1.0 on the tiny suite: a run that is done, one stopped at step 2, one that waits, a cell."""
    folder = tmp_path / "old"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "runs.sqlite3")) as connection:
        connection.executescript((Path(__file__).parent / "store_0_1_0.sql").read_text("utf-8"))
    with Store.open(folder) as opened:
        yield opened


def test_a_store_of_the_version_before_opens_and_its_runs_go_on(old: Store, problem32: Problem) -> None:
    runs = {record.name.partition(":")[0]: record for record in old.runs()}
    assert {name: (one.status, one.steps_done) for name, one in runs.items()} == {
        "done": ("done", 4),
        "stopped": ("interrupted", 2),
        "queued": ("interrupted", 0),
        "corruptions": ("interrupted", 0),
    }
    assert (runs["done"].device, runs["done"].execution.threads, runs["done"].execution.made_by) == ("cpu", 1, "")
    cell = RunSpec.stored(runs["corruptions"])
    assert cell.part(problem32).altered == {"corruption": "contrast", "severity": 1}
    assert (cell.execution.keep_model, cell.execution.measures) == (False, ({"name": "calibration"},))
    for name in ("stopped", "queued"):
        known = runs[name]
        if known.hashes:  # Those of the machine that made the store.
            how = known.execution.plain() | {"content": dict(problem32.content)}
            old.describe(known.id, hashes=dict(problem32.hashes), execution=how)
        jobs = Jobs(old, load=lambda *_, **__: problem32)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "find", lambda _origin: None)
            jobs.restart(known.id)
            assert jobs.worker.wait(lambda: not jobs.active(), 60)  # noqa: B023
        found = old.run(known.id)
        assert (found.status, found.error, found.steps_done) == ("done", None, 4)
    before, after = (old.steps(runs[name].id) for name in ("done", "stopped"))
    assert [one.coefficients.tobytes() for one in before[:3]] == [one.coefficients.tobytes() for one in after[:3]]  # type: ignore[union-attr]


def test_a_result_of_before_the_formulas_changed_is_not_taken_for_one_of_now(old: Store, problem32: Problem) -> None:
    done = next(one for one in old.runs() if one.name == "done")
    old.describe(done.id, hashes=dict(problem32.hashes), execution=problem32.execution | {"unseen": []})
    stored = RunSpec.stored(old.run(done.id))
    assert RunSpec.of(problem32, stored.method, stored.settings).earlier(old) is None
