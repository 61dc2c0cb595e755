"""Methods that learn something else than λ: repeatable, resumable bit for bit, and stopped by the first NaN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core import methods
from core.errors import NonFinite
from core.problem.method import Step
from core.problem.problem import Problem
from tests.core.properties import LEARNING, assert_close, run, settings
from tests.core.test_trajectory import Spoiled, stored

TRAINED = [n for n in methods.names() if "steps" in methods.get(n).Settings.model_fields and n not in LEARNING]
FEWER = {"keep_every": 2}
"""States more often than by default, so that runs of a few steps have several."""


def values(method: str, **more: Any) -> dict[str, Any]:
    """Those of the settings that the method has."""
    fields = methods.get(method).Settings.model_fields
    return {name: value for name, value in (FEWER | more).items() if name in fields}


def answers(problem: Problem, step: Step) -> dict[str, Tensor]:
    """Logits of every task's first images under the outcome, modules included."""
    outcome = step.outcome
    assert outcome is not None
    found = {}
    for task in problem.tasks:
        found[task] = problem.logits(outcome.weights_for(task), task, problem.images(task)[:5], outcome.features(task))
    return found


def assert_same(found: list[Step], expected: list[Step], problem: Problem) -> None:
    """The same steps bit for bit, but for the time they took."""
    assert [step.number for step in found] == [step.number for step in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.losses, one.entropies, one.samples) == (other.losses, other.entropies, other.samples)
        assert (one.state is None) == (other.state is None)
        if one.state is not None and other.state is not None:
            mine, theirs = one.state(), other.state()
            assert mine.keys() == theirs.keys()
            assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    mine, theirs = answers(problem, found[-1]), answers(problem, expected[-1])
    assert all(torch.equal(mine[task], theirs[task]) for task in theirs)


@pytest.mark.slow
@pytest.mark.parametrize("method", TRAINED)
def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(method: str, problem32: Problem) -> None:
    one, same, other = (run(method, problem32, **values(method, seed=seed)) for seed in (5, 5, 6))
    assert_same(one, same, problem32)
    assert one[-1].losses != other[-1].losses


@pytest.mark.slow
@pytest.mark.parametrize("method", TRAINED)
def test_resuming_after_any_stored_step_equals_never_having_stopped(
    method: str, problem32: Problem, tmp_path: Path
) -> None:
    chosen = values(method, steps=6, batch=7)
    straight = run(method, problem32, **chosen)
    states = [(at, step.state()) for at, step in enumerate(straight[:-1]) if step.state is not None]
    assert len(states) >= 3
    for at, state in states:
        again = run(method, problem32, resume=stored(state, tmp_path), **chosen)
        assert_same(again, straight[at + 1 :], problem32)


@pytest.mark.slow
@pytest.mark.parametrize("method", TRAINED)
def test_resuming_after_the_last_step_gives_its_outcome_again(method: str, problem32: Problem, tmp_path: Path) -> None:
    last = run(method, problem32, **values(method))[-1]
    assert last.state is not None
    again = run(method, problem32, resume=stored(last.state(), tmp_path), **values(method))
    assert len(again) == 1
    mine, theirs = answers(problem32, again[0]), answers(problem32, last)
    assert all(torch.equal(mine[task], theirs[task]) for task in theirs)


@pytest.mark.parametrize("method", TRAINED)
def test_a_state_does_not_change_later(method: str, problem32: Problem) -> None:
    generator = methods.get(method).steps(problem32, settings(method, **values(method)))
    first = next(generator)
    assert first.state is not None
    early = {name: tensor.clone() for name, tensor in first.state().items()}
    list(generator)
    assert all(torch.equal(first.state()[name], tensor) for name, tensor in early.items())


@pytest.mark.slow
@pytest.mark.parametrize("method", TRAINED)
def test_losses_fall(method: str, problem32: Problem) -> None:
    steps = run(method, problem32, **values(method, steps=40, batch=32, lr=2e-3, adapt_on="test"))
    losses = [sum(step.losses.values()) for step in steps[1:]]
    assert sum(losses[-3:]) < sum(losses[:3])


@pytest.mark.parametrize("method", TRAINED)
def test_a_nan_stops_before_the_update(method: str, problem32: Problem) -> None:
    """From the 30th call of the encoder on; those of the routed MLPs are another encoder."""
    if method == "wemoe":
        heads = {task: head * float("nan") for task, head in problem32.heads.items()}
        spoiled = replace(problem32, heads=heads)
    else:
        spoiled = replace(problem32, encoder=Spoiled(problem32.encoder, 0))
    with pytest.raises(NonFinite, match="Step 1: the loss of task0, task1, task2"):
        run(method, spoiled, **values(method))


@pytest.mark.parametrize("method", TRAINED)
def test_unused_images_are_not_opened(method: str, problem32: Problem) -> None:
    asked = set()

    def load(task: str, split: str) -> Any:
        asked.add(split)
        return problem32.load_images(task, split)

    fields = methods.get(method).Settings.model_fields
    chosen = values(method, adapt_on="held-out") if "adapt_on" in fields else values(method)
    run(method, replace(problem32, load_images=load), **chosen)
    assert asked == {"held-out" if "adapt_on" in fields else "test"}


@pytest.mark.slow
def test_weights_of_a_result_with_modules_are_the_encoders_alone(problem64: Problem) -> None:
    for method in ("surgery", "wemoe"):
        outcome = run(method, problem64, **values(method))[-1].outcome
        assert outcome is not None
        expected = run("task_arithmetic", problem64)[-1].outcome
        assert expected is not None
        assert_close(outcome.weights_for("task0"), expected.weights_for("task0"))
