"""Several steps are made before the host reads the first: nothing that is learned or stored depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core import methods
from core.control import Control
from core.errors import Cancelled, NonFinite
from core.learning import optimiser
from core.learning.ahead import Ahead, Drawn
from core.learning.coefficients import Learner
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.step import Step
from core.store import Store
from tests.core.properties import assert_same_outcome, run
from tests.core.test_runner import bits


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


@pytest.fixture
def quick(problem32: Problem, monkeypatch: pytest.MonkeyPatch) -> Problem:
    """As on a device whose steps take a moment: five of them are asked for at once."""
    monkeypatch.setattr(optimiser, "READ_EVERY", 1e6)
    return replace(problem32, ahead=5)


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("adamerging", {"keep_step": "last"}),
        ("adamerging", {"objective": "information_maximisation"}),
        ("adamerging", {"patience": 3, "keep_step": "last", "lr": 1e-6}),
        ("adarank", {"start": "none"}),
        ("samerging", {"batch": 2}),
    ],
)
def test_steps_made_together_are_those_made_one_by_one(
    method: str, values: dict[str, Any], problem32: Problem, quick: Problem
) -> None:
    values = {"steps": 30, "batch": 4, "lr": 0.05, **values}
    expected, found = run(method, problem32, **values), run(method, quick, **values)
    assert_same(found, expected)
    assert [step.watched for step in found] == [step.watched for step in expected]
    if "patience" in values:
        assert len(found) < 30
        assert not any(step.more for step in found)
    else:
        assert sum(step.more for step in found) > 10
    # Between the steps of a block there is nothing to go on from, and there is after each block.
    assert all((step.state is None) == step.more for step in found)
    part = next(step for step in found[3:] if step.state is not None)
    assert part.state is not None
    again = run(method, quick, resume=part.state(), **values)
    assert_same(again, expected[part.number + 1 :])


def assert_same(found: list[Step], expected: list[Step]) -> None:
    """The same bit for bit; the state only where one is found."""
    assert [step.number for step in found] == [step.number for step in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.losses, one.entropies, one.samples) == (other.losses, other.entropies, other.samples)
        assert one.coefficients is not None
        assert other.coefficients is not None
        assert torch.equal(one.coefficients.values, other.coefficients.values)
        if one.state is not None:
            assert_same_outcome(one, other)


def test_a_run_stores_them_and_measures_each_where_it_is_asked_for(
    store: Store, problem32: Problem, quick: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, seen, found = list[int](), list[int](), []
    record = Store.record

    def counted(self: Store, run_id: str, *steps: Step) -> None:
        stored.append(len(steps))
        record(self, run_id, *steps)

    monkeypatch.setattr(Store, "record", counted)
    for problem in (problem32, quick):
        method = methods.get("adamerging")
        spec = RunSpec.of(
            problem, method, method.Settings(steps=12, batch=4, lr=0.05, keep_step="last"), evaluate_every=3
        )
        run_id = spec.create(store)
        report = runner.execute(store, run_id, replace(problem), spec, on_step=lambda s: seen.append(s.number))
        found.append((bits(store, run_id), store.evaluations(run_id), report["tasks"], store.run(run_id).samples_seen))
    assert found[0] == found[1]
    assert seen == [*range(13), *range(13)]
    assert stored[:13] == [1] * 13
    assert max(stored[13:]) == 5
    assert sum(stored[13:]) == 13


def test_nan_in_the_middle_leaves_what_was_made_before_it(
    store: Store, quick: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Learner._measure

    def spoilt(self: Any, batches: Any) -> Any:
        measured, gradients = measure(self, batches)
        return measured, {"raw": gradients["raw"] * float("nan")} if self.number == 3 else gradients

    method = methods.get("adamerging")
    spec = RunSpec.of(quick, method, method.Settings(steps=12, batch=4, keep_step="last"))
    run_id = spec.create(store)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "_measure", spoilt)
        with pytest.raises(NonFinite, match=r"Step 4: the loss of some task or its gradient is NaN"):
            runner.execute(store, run_id, replace(quick), spec)
    assert [step.number for step in store.steps(run_id)] == [0, 1, 2, 3]
    assert store.run(run_id).status == "failed"
    # The state is that of the block before; steps after it are made again.
    runner.execute(store, run_id, replace(quick), spec)
    assert [step.number for step in store.steps(run_id)] == list(range(13))


def test_a_wish_is_heard_within_a_block_and_waiting_is_no_part_of_a_step(store: Store, quick: Problem) -> None:
    method, control = methods.get("adamerging"), Control()
    spec = RunSpec.of(quick, method, method.Settings(steps=40, batch=4, keep_step="last"))
    run_id, waits = spec.create(store), 0
    problem = replace(quick)

    tick = control.tick

    def ticking() -> None:
        nonlocal waits
        waits += 1
        if waits == 300:
            control.paused_seconds += 1000.0  # As if somebody had let it wait within a block.
        if waits == 900:
            control.cancel()
        tick()

    control.tick = ticking  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        runner.execute(store, run_id, problem, spec, control=control)
    steps = store.steps(run_id)
    assert 1 < len(steps) < 40
    assert all(0 <= step.seconds < 100 for step in steps)
    state = store.last_state(run_id)
    assert state is not None
    assert state[0] == steps[-1].number


def test_images_are_read_ahead_and_again_where_another_batch_is_asked_for() -> None:
    asked: list[list[int]] = []

    def read(drawn: Drawn) -> dict[str, torch.Tensor]:
        asked.append(drawn["task"].tolist())
        return {"task": drawn["task"] * 10}

    ahead, batches = Ahead(read), [{"task": torch.tensor([at, at + 1])} for at in range(4)]
    assert ahead.take(batches[0], batches[1])["task"].tolist() == [0, 10]
    assert ahead.take(batches[1], batches[2])["task"].tolist() == [10, 20]
    assert ahead.take(batches[3], batches[0])["task"].tolist() == [30, 40]
    assert ahead.take(batches[0], batches[1])["task"].tolist() == [0, 10]
    ahead._thread.shutdown()
    assert sorted(asked) == [[0, 1], [0, 1], [1, 2], [1, 2], [2, 3], [3, 4]]  # The fourth was not waited for.
