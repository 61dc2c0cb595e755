"""Changed λ: checked, applied to the right cells, merged as the run's method merges, and kept as a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core import methods
from core.errors import BadInput
from core.problem.evaluate import evaluate
from core.problem.loading import load
from core.problem.merged import merge
from core.problem.problem import Problem
from core.runs import runner
from core.runs.model import MERGED
from core.runs.spec import RunSpec
from core.runs.whatif import save
from core.store import RunRecord, Store
from core.suite.find import find
from dashboard.charts.columns import arrange
from dashboard.pages.layers import whatif
from dashboard.pages.layers.facts import kind_of_groups, task_vector_facts
from tests.dashboard.synthetic import tensor_names

COLUMNS = arrange(tensor_names(2))
TASKS = ("a", "b", "c")
FLAT = np.full((len(COLUMNS), 3), 0.3, np.float32)


def edit(task: str = "", where: str = "", op: str = "set", value: float = 0.5) -> dict[str, object]:
    return {"task": task, "where": where, "op": op, "value": value}


def changed(*edits: dict[str, object], values: np.ndarray = FLAT) -> np.ndarray:
    return whatif.apply(values, whatif.parse(list(edits), TASKS, COLUMNS), TASKS, COLUMNS)


def test_row_of_a_task() -> None:
    values = changed(edit("b"))
    assert (values[:, 1] == 0.5).all()
    assert (values[:, [0, 2]] == np.float32(0.3)).all()


def test_block_kind_and_single_cell() -> None:
    block = changed(edit(where="block:block 1"))
    assert (block == 0.5).any(axis=1).sum() == 12
    kind = changed(edit(where="kind:attention", task="c"))
    assert (kind == 0.5).sum() == 8
    cell = changed(edit(where="column:proj", task="a"))
    assert np.argwhere(cell == 0.5).tolist() == [[tensor_names(2).index("proj"), 0]]


def test_changes_follow_each_other_and_leave_the_input_alone() -> None:
    values = changed(edit(), edit(op="scale", value=2), edit("a", op="add", value=-0.25))
    np.testing.assert_allclose(values[0], [0.75, 1, 1])
    assert (np.float32(0.3) == FLAT).all()


@pytest.mark.parametrize(
    "raw",
    [
        None, [], {}, "x", [1], [edit()] * 101, [edit("z")], [edit(where="block:block 9")], [edit(where="column:x")],
        [edit(where="__class__:x")], [edit(op="power")], [edit(value=float("nan"))], [edit(value=11)],
        [edit(value="0.5")], [edit(value=True)], [{}], [edit(task=["a"])],
    ],
)  # fmt: skip
def test_what_a_browser_sends_is_checked(raw) -> None:
    with pytest.raises(BadInput):
        whatif.parse(raw, TASKS, COLUMNS)


@pytest.fixture(scope="module")
def problem(tiny_suite: Path) -> Problem:
    return load(find(str(tiny_suite)))


@pytest.fixture
def made(problem: Problem, tiny_suite: Path, tmp_path: Path) -> Iterator[tuple[Store, RunRecord]]:
    method = methods.get("adamerging")
    settings = method.Settings(steps=3, lr=0.05, group="block")
    with Store.open(tmp_path / "runs") as store:
        run_id = RunSpec.of(problem, method, settings, origin=str(tiny_suite)).create(store)
        runner.execute(store, run_id, problem, RunSpec.of(problem, method, settings))
        yield store, store.run(run_id)


def question(store: Store, record: RunRecord, *edits: dict[str, object], step: int = 3) -> whatif.Question:
    return whatif.Question.of(store, record, step, list(edits))


def test_equal_coefficients_merge_to_task_arithmetic(problem: Problem, made: tuple[Store, RunRecord]) -> None:
    store, record = made
    asked = question(store, record, edit(value=0.3))
    merged = whatif.weights(problem, record, asked.edited)
    expected = merge(problem.task_vectors, dict.fromkeys(problem.tasks, 0.3))
    assert all(torch.allclose(merged[name], expected[name], atol=1e-6) for name in expected)


def test_unchanged_coefficients_give_the_accuracy_of_the_run(problem: Problem, made: tuple[Store, RunRecord]) -> None:
    store, record = made
    asked = question(store, record, edit(op="scale", value=1))
    measured = whatif.measure(problem, record, asked.edited, limit=None)
    assert [one.accuracy for one in measured] == [task["accuracy"] for task in record.report["tasks"]]


def test_one_hot_coefficients_are_that_expert(problem: Problem, made: tuple[Store, RunRecord]) -> None:
    store, record = made
    task = record.tasks[1]
    asked = question(store, record, edit(value=0), edit(task, value=1))
    (_, measured, _) = whatif.measure(problem, record, asked.edited, limit=None)
    assert measured.entropy == pytest.approx(
        evaluate(problem, problem.task_vectors.expert(task), task).entropy, abs=1e-5
    )


@pytest.mark.parametrize("name", ["adamerging", "adamerging_pp", "samerging"])
def test_unchanged_coefficients_are_the_merged_model_of_a_run_with_a_start(
    problem: Problem, tmp_path: Path, name: str
) -> None:
    method = methods.get(name)
    settings = method.Settings(steps=2, batch=4, lr=0.05, start="tsv_m", keep_step="last")
    with Store.open(tmp_path / "runs") as store:
        run_id = RunSpec.of(problem, method, settings).create(store)
        runner.execute(store, run_id, problem, RunSpec.of(problem, method, settings))
        record = store.run(run_id)
        asked = question(store, record, edit(op="scale", value=1), step=2)
        found = whatif.weights(problem, record, asked.edited)
        merged = load_file(store.artefact(run_id, MERGED))
    assert all(torch.equal(found[tensor], merged[f"visual.{tensor}"]) for tensor in problem.task_vectors.names)


def test_saved_run_is_done_and_tells_where_it_came_from(problem: Problem, made: tuple[Store, RunRecord]) -> None:
    store, record = made
    asked = question(store, record, edit(record.tasks[0], value=0.9))
    saved = store.run(save(store, problem, record, 3, asked.edited, asked.edits, "by hand"))
    assert (saved.status, saved.name, saved.tasks, saved.groups) == ("done", "by hand", record.tasks, record.groups)
    assert saved.what_if is not None
    assert saved.what_if.of == record.id
    np.testing.assert_array_equal(store.steps(saved.id)[0].coefficients, asked.edited)
    assert [one.full for one in store.evaluations(saved.id)] == [True] * len(record.tasks)
    assert "merged.safetensors" in store.artefacts(saved.id)
    assert saved.report["average_accuracy"] is not None


@pytest.mark.parametrize("step", [4, 99])
def test_a_step_that_is_not_there_is_refused(made: tuple[Store, RunRecord], step) -> None:
    store, record = made
    with pytest.raises(BadInput, match=f"Step {step} of this run"):
        question(store, record, edit(), step=step)


def test_methods_without_task_vector_coefficients_are_refused(made: tuple[Store, RunRecord]) -> None:
    store, record = made
    with pytest.raises(BadInput, match="can't be changed afterwards"):
        question(store, replace(record, method="ties", settings={}), edit())


def test_facts_are_norms_and_conflicts_of_each_column(problem: Problem, made: tuple[Store, RunRecord]) -> None:
    _store, record = made
    facts = task_vector_facts(problem, record.groups, record.tasks)
    whole = problem.task_vectors.deltas.double().norm(dim=1).tolist()
    for task, norm in enumerate(whole):
        assert sum(row[task] ** 2 for row in facts["norms"]) == pytest.approx(norm**2, rel=1e-4)
    known = [value for row in facts["conflict"] for value in row if value is not None]
    assert known
    assert all(0 <= value <= 1 for value in known)


def test_groups_of_other_checkpoints_are_refused(problem: Problem) -> None:
    with pytest.raises(BadInput, match="the suite has changed"):
        kind_of_groups(problem.task_vectors, ["block 99"])
