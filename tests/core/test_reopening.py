"""A stored run opened again: the same problem, and the model of each of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from core import methods
from core.problem.loading import load
from core.problem.method import Coefficients
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.store import Store
from core.suite.find import find


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


@pytest.mark.slow
def test_reopening_loads_the_same_problem(store: Store, tiny_suite: Path) -> None:
    problem = load(find(str(tiny_suite)), ["task2", "task0"], device="cpu", precision="float32", deltas="bfloat16")
    method = methods.get("adamerging")
    run_id = RunSpec.of(problem, method, method.Settings(steps=3, group="block"), origin=str(tiny_suite)).create(store)
    again, spec = runner.reopen(store.run(run_id))
    assert (again.tasks, again.execution, again.hashes) == (problem.tasks, problem.execution, problem.hashes)
    assert spec.method is method
    assert spec.settings == method.Settings(steps=3, group="block")


@pytest.mark.slow
@pytest.mark.parametrize("start", ["none", "ties"])
@pytest.mark.parametrize("name", ["adamerging", "adamerging_pp", "samerging"])
def test_a_stored_coefficient_gives_the_model_of_its_step_again(
    store: Store, problem32: Problem, name: str, start: str
) -> None:
    problem, method = problem32, methods.get(name)
    settings = method.Settings(steps=3, batch=4, lr=0.05, group="block", start=start)
    made = {step.number: step.weights() for step in method.steps(problem, settings) if step.weights is not None}
    spec = RunSpec.of(problem, method, settings)
    run_id = spec.create(store)
    runner.execute(store, run_id, problem, spec)
    groups = store.run(run_id).groups
    for record in store.steps(run_id):
        assert record.coefficients is not None
        stored = Coefficients(groups, problem.tasks, torch.tensor(record.coefficients))
        again = method.weights_at(problem, settings, stored)
        assert again is not None
        assert all(torch.equal(again[tensor], made[record.number][tensor]) for tensor in again)
