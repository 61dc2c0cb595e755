"""Learning λ: equal to a naive autograd loop, repeatable, and resumable after every step bit for bit."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core import methods, objectives
from core.encoders.encoder import Encoder
from core.errors import NonFinite
from core.problem.method import State
from core.problem.problem import Problem
from core.tasks import Stream
from tests.core.naive import Naive, groups, naive_loss
from tests.core.properties import LEARNING, assert_close, assert_same_steps, run, settings, sure

STEPS, BATCH, LR = 20, 5, 0.05


def naive_loop(
    naive: Naive, problem: Problem, kind: str, objective: str, clamp: bool, init: float
) -> tuple[list[list[float]], list[Tensor], dict[str, Tensor]]:
    """The losses of each step, raw λ after each and the final weights, by autograd through the merge."""
    rows = groups(naive.names, kind)
    raw = torch.full((len(rows), len(naive.tasks)), init, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([raw], lr=LR, betas=(0.9, 0.999))
    marginals = {task: torch.full((len(problem.heads[task]),), 1 / len(problem.heads[task])) for task in naive.tasks}
    marginals = {task: mean.double() for task, mean in marginals.items()}
    streams = {task: Stream(task, 32, BATCH, seed=3) for task in naive.tasks}
    losses, trajectory = [], [raw.detach().clone()]

    def weights() -> dict[str, Tensor]:
        used = raw.clamp(0, 1) if clamp else raw
        row_of = {name: used[g] for g, names in enumerate(rows) for name in names}
        return {
            name: naive.base[name]
            + sum(row_of[name][k] * naive.delta(task, name) for k, task in enumerate(naive.tasks))
            for name in naive.names
        }

    for _ in range(STEPS):
        merged, each = weights(), []
        for task in naive.tasks:
            chosen = streams[task].next()
            images, head = naive.images(task, chosen), problem.heads[task]
            with torch.no_grad():
                expert = naive.logits(naive.experts[task], images, head)
            logits = naive.logits(merged, images, head)
            each.append(naive_loss(objective, logits, naive.labels(task)[chosen], expert, marginals[task]))
            marginals[task] = 0.9 * marginals[task] + 0.1 * logits.detach().softmax(-1).mean(0)
        adam.zero_grad()
        sum(each).backward()  # type: ignore[union-attr]
        adam.step()
        losses.append([loss.item() for loss in each])
        trajectory.append(raw.detach().clone())
    with torch.no_grad():
        return losses, trajectory, weights()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "clamp", "objective"),
    [
        *itertools.product(["task", "tensor"], [True, False], ["entropy"]),
        *itertools.product(["block"], [True, False], ["cross_entropy", "expert_kl"]),
        *itertools.product(
            ["block"], [True], sorted({*objectives.names()} - {"entropy", "cross_entropy", "expert_kl"})
        ),
        *(
            pytest.param(*case, marks=pytest.mark.nightly)
            for case in [
                *itertools.product(["task", "tensor"], [True, False], ["cross_entropy", "expert_kl"]),
                *itertools.product(["block"], [True, False], ["entropy"]),
            ]
        ),
    ],
)
def test_twenty_steps_equal_a_naive_autograd_loop(
    kind: str, clamp: bool, objective: str, problem64: Problem, naive: Naive
) -> None:
    """From λ = 0.1 with steps of 0.05, so that some λ cross 0 and the clamp matters."""
    init, problem64 = 0.1, sure(problem64, objective)
    losses, trajectory, weights = naive_loop(naive, problem64, kind, objective, clamp, init)
    steps = run(
        "adamerging", problem64, group=kind, clamp=clamp, objective=objective,
        steps=STEPS, batch=BATCH, lr=LR, init=init, seed=3, keep_step="last",
    )  # fmt: skip
    for step, raw in zip(steps, trajectory, strict=True):
        assert step.state is not None
        assert step.coefficients is not None
        torch.testing.assert_close(step.state()["raw"], raw, rtol=0, atol=1e-8)
        used = raw.clamp(0, 1) if clamp else raw
        torch.testing.assert_close(step.coefficients.values, used.float(), rtol=0, atol=1e-6)
    for step, each in zip(steps[1:], losses, strict=True):
        assert list(step.losses.values()) == pytest.approx(each, abs=1e-8)
        assert step.samples == BATCH * len(naive.tasks)
    assert steps[-1].outcome is not None
    assert_close(steps[-1].outcome.weights_for("task0"), weights, 1e-8)


@pytest.mark.slow
def test_the_trajectories_above_do_meet_the_clamp(problem64: Problem, naive: Naive) -> None:
    _, trajectory, _ = naive_loop(naive, problem64, "tensor", "entropy", True, 0.1)
    assert (trajectory[-1] < 0).any()
    assert (trajectory[-1] > 0).any()


@pytest.mark.slow
def test_step_zero_is_the_beginning(problem32: Problem) -> None:
    first = run("adamerging", problem32, init=0.25)[0]
    assert (first.number, dict(first.losses), first.samples, first.outcome) == (0, {}, 0, None)
    assert first.coefficients is not None
    assert (first.coefficients.values == 0.25).all()


@pytest.mark.parametrize("method", LEARNING)
def test_the_same_seed_gives_the_same_coefficients(method: str, problem32: Problem) -> None:
    assert_same_steps(run(method, problem32, seed=5), run(method, problem32, seed=5))


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARNING)
def test_another_seed_gives_other_images(method: str, problem32: Problem) -> None:
    one, other = run(method, problem32, seed=5)[-1], run(method, problem32, seed=6)[-1]
    assert one.losses != other.losses


@pytest.mark.slow
def test_torchs_own_generator_is_neither_used_nor_moved(problem32: Problem) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = run("adamerging", problem32, fraction=0.5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert_same_steps(run("adamerging", problem32, fraction=0.5), first)


def stored(state: State, folder: Path) -> State:
    """A state as it comes back from disk."""
    save_file(dict(state), folder / "state.safetensors")
    return load_file(folder / "state.safetensors")


RESUMED: dict[str, dict[str, Any]] = {
    "default": {},
    "patience": {"patience": 2, "steps": 12, "lr": 1e-6},
    "patience by the loss": {"patience": 2, "steps": 12, "lr": 1e-6, "keep_step": "last"},
    "patience never met": {"patience": 30},
    "fraction": {"fraction": 0.5},
    "one image": {"fraction": 0.001},
    "expert_kl": {"objective": "expert_kl"},
    "cross_entropy": {"objective": "cross_entropy", "adapt_on": "held-out"},
    "running mean": {"objective": "information_maximisation"},
    "start": {"start": "ties"},
    "no clamp": {"clamp": False, "init": 0.01},
    "clamp": {"init": 0.01, "group": "task"},
    "whole epoch": {"batch": 32, "group": "block"},
    "more than an epoch": {"batch": 4096},
}


resumed = pytest.mark.parametrize(
    ("method", "case"),
    [*((LEARNING[0], c) for c in RESUMED), *itertools.product(LEARNING[1:], ["default", "expert_kl"])],
)
"""Every learning method; the one file that all of them share (`core.learning.coefficients`) with every setting."""


@pytest.mark.slow
@resumed
def test_resuming_after_any_step_equals_never_having_stopped(
    method: str, case: str, problem32: Problem, tmp_path: Path
) -> None:
    values = {"steps": 6, "batch": 7} | RESUMED[case]
    straight = run(method, problem32, **values)
    for at, step in enumerate(straight[:-1]):
        assert step.state is not None
        assert_same_steps(run(method, problem32, resume=stored(step.state(), tmp_path), **values), straight[at + 1 :])


@pytest.mark.slow
@resumed
def test_resuming_after_the_last_step_gives_its_outcome_again(
    method: str, case: str, problem32: Problem, tmp_path: Path
) -> None:
    values = RESUMED[case]
    last = run(method, problem32, **values)[-1]
    assert last.state is not None
    again = run(method, problem32, resume=stored(last.state(), tmp_path), **values)
    assert len(again) == 1
    assert_same_steps([replace(again[0], losses=last.losses, entropies=last.entropies, samples=last.samples)], [last])


@pytest.mark.parametrize("method", LEARNING)
def test_a_state_is_small_and_does_not_change_later(method: str, problem32: Problem) -> None:
    generator = iter(run(method, problem32))
    first = next(generator)
    assert first.state is not None
    early = {name: tensor.clone() for name, tensor in first.state().items()}
    list(generator)
    assert all(torch.equal(first.state()[name], tensor) for name, tensor in early.items())
    assert sum(tensor.nbytes for tensor in early.values()) < 100_000


@pytest.mark.slow
def test_patience_stops_on_a_plateau(problem32: Problem) -> None:
    """With λ all but frozen the loss of one repeated batch never improves: stop after 2 × patience steps."""
    steps = run("adamerging", problem32, patience=3, steps=50, batch=32, lr=1e-9, keep_step="last")
    assert steps[-1].number == 6
    assert steps[-1].outcome is not None


@pytest.mark.slow
def test_patience_goes_on_while_the_loss_falls(problem32: Problem) -> None:
    steps = run(
        "adamerging", problem32, patience=3, steps=15, batch=32, lr=0.02, objective="cross_entropy", keep_step="last"
    )
    losses = [sum(step.losses.values()) for step in steps[1:]]
    for at in range(6, len(losses) + 1):
        before, after = math.fsum(losses[at - 6 : at - 3]), math.fsum(losses[at - 3 : at])
        plateau = after > before * (1 - 1e-3)
        assert plateau == (at == len(losses) and at < 15)
    assert len(losses) > 6


class Spoiled(Encoder):
    """An encoder whose features become NaN from the n-th call on."""

    def __init__(self, inner: Encoder, good: int) -> None:
        self.__dict__.update(inner.__dict__)
        self.good = good

    def features(self, weights: Any, prepared: Tensor) -> Tensor:
        self.good -= 1
        return super().features(weights, prepared) * (1.0 if self.good >= 0 else float("nan"))


@pytest.mark.slow
def test_a_nan_stops_before_the_update_and_keeps_the_last_good_step(problem32: Problem) -> None:
    looks = 3 * len(problem32.tasks)  # At the start: each expert's answers, and both halves of the watched images.
    spoiled = replace(problem32, encoder=Spoiled(problem32.encoder, looks + 2))
    good = []
    with pytest.raises(NonFinite, match=r"Step 3: the loss of task0, task1, task2"):
        good.extend(_collect(methods.get("adamerging").steps(spoiled, settings("adamerging")), good))
    assert_same_steps(good, run("adamerging", problem32)[:3])


def _collect(steps: Any, into: list[Any]) -> list[Any]:
    for step in steps:
        into.append(step)
    return []
