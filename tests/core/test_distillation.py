"""Distillation into all weights: its loss and schedule, what it is taught by, and that it goes on bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core import methods
from core.errors import BadInput
from core.problem.probe import Probe
from core.problem.problem import Problem
from core.tasks import Images, Stream
from tests.core.naive import Naive
from tests.core.properties import copies_of_the_base, merged, run, settings
from tests.core.test_trajectory import stored
from tests.core.test_watch import enlarged

TEACHERS = ("expert_kl", "pseudo_label")
ALL = {"keep_step": "last"}
"""All images are drawn, and the last step is what counts."""


def naive_loss(kind: str, expert: Tensor, own: Tensor, temperature: float) -> Tensor:
    """Mean over the images: Σ_c p_c (log p_c − log q_c), or −log q of the class that the expert names."""
    if kind == "pseudo_label":
        return -own.log_softmax(1)[torch.arange(len(own)), expert.argmax(1)].mean()
    p, q = (expert / temperature).softmax(1), (own / temperature).softmax(1)
    return (p * (p.log() - q.log())).sum(1).mean()


@pytest.mark.slow
@pytest.mark.parametrize("start", ["none", "task_arithmetic"])
@pytest.mark.parametrize("kind", TEACHERS)
def test_steps_equal_a_naive_loop(kind: str, start: str, problem64: Problem, naive: Naive) -> None:
    """Plain autograd, torch's AdamW and the schedule, from the checkpoints as they are on disk."""
    steps, lr, temperature = 5, 1e-3, 2.0
    scale = 0.3 if start == "task_arithmetic" else 0.0
    theta = {
        name: base + scale * sum(naive.experts[task][name] - base for task in naive.tasks)
        for name, base in naive.base.items()
    }
    adam = torch.optim.AdamW(list(theta.values()), lr=lr, weight_decay=0.1)
    streams = {task: Stream(task, 32, 5, seed=3) for task in naive.tasks}
    for at in range(steps):
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in theta.items()}
        losses = []
        for task, stream in streams.items():
            images, head = naive.images(task, stream.next(), "test"), problem64.heads[task]
            with torch.no_grad():
                expert = naive.logits(naive.experts[task], images, head)
            losses.append(naive_loss(kind, expert, naive.logits(leaves, images, head), temperature))
        for name, gradient in zip(leaves, torch.autograd.grad(sum(losses), list(leaves.values())), strict=True):  # type: ignore[arg-type]
            theta[name].grad = gradient
        adam.param_groups[0]["lr"] = lr * (at + 1) / 2 if at < 2 else lr * 0.5 * (1 + math.cos(math.pi * (at - 2) / 3))
        adam.step()
    found = merged(
        "distillation", problem64, "task0", objective=kind, start=start, temperature=temperature, steps=steps, lr=lr,
        batch=5, warmup=0.4, seed=3, adapt_on="test", **ALL,
    )  # fmt: skip
    for name, tensor in theta.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
def test_it_agrees_more_with_the_experts_than_its_start(problem32: Problem) -> None:
    steps = run("distillation", problem32, steps=30, lr=1e-3, batch=16, **ALL)
    losses = [sum(step.losses.values()) for step in steps[1:]]
    assert losses[-1] < 0.7 * losses[0]


def test_experts_that_are_the_base_teach_nothing(problem64: Problem) -> None:
    """One step, whose gradient is rounding: Adam's division enlarges that from step to step."""
    problem = copies_of_the_base(problem64)
    last = run("distillation", problem, weight_decay=0.0, lr=1e-3, warmup=0.0, steps=1, **ALL)[-1]
    assert all(abs(loss) < 1e-12 for loss in last.losses.values())
    assert last.outcome is not None
    for name, tensor in last.outcome.weights_for("task0").items():
        torch.testing.assert_close(tensor, problem.task_vectors.base[name], rtol=0, atol=1e-7)


@pytest.mark.slow
def test_no_label_is_read(problem32: Problem) -> None:
    def load(task: str, split: str) -> Images | None:
        images = problem32.load_images(task, split)
        return images if images is None else Images(images.pixels, None)

    for kind in TEACHERS:
        one, other = (
            merged("distillation", problem, "task0", objective=kind)
            for problem in (problem32, replace(problem32, load_images=load))
        )
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_no_image_is_opened_on_which_accuracy_is_measured(problem32: Problem) -> None:
    """A whole encoder could learn the experts' answers to them by heart."""
    asked = set()

    def load(task: str, split: str) -> Images | None:
        asked.add(split)
        return problem32.load_images(task, split)

    run("distillation", replace(problem32, load_images=load))
    assert asked == {"train"}


def test_it_has_no_objective_that_is_not_the_experts_answers() -> None:
    with pytest.raises(BadInput, match="'expert_kl' or 'pseudo_label'"):
        settings("distillation", objective="entropy")


@pytest.mark.slow
def test_watched_images_are_not_trained_on(problem32: Problem) -> None:
    """With other pixels in the watched images, training goes the same way."""
    problem = enlarged(problem32, 3)
    probe = Probe.of(problem, "test")

    def load(task: str, split: str) -> Images:
        images = problem.split(task, split)
        pixels = images.pixels.clone()
        pixels[probe.apart(task)] = 0
        return Images(pixels, images.labels)

    chosen: dict[str, Any] = {"steps": 12, "batch": 16, "adapt_on": "test"}
    one, other = (run("distillation", p, **chosen) for p in (problem, replace(problem, load_images=load)))
    assert [step.losses for step in one] == [step.losses for step in other]
    assert one[0].watched != other[0].watched


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["best", "last"])
def test_it_resumes_bit_for_bit(keep: str, problem32: Problem, tmp_path: Path) -> None:
    chosen: dict[str, Any] = {"keep_every": 2, "steps": 9, "lr": 0.01, "keep_step": keep}
    straight = run("distillation", problem32, **chosen)
    for at in (0, 4, 8):
        state = straight[at].state
        assert state is not None
        again = run("distillation", problem32, resume=stored(state(), tmp_path), **chosen)
        assert [step.losses for step in again] == [step.losses for step in straight[at + 1 :]]
        assert again[-1].kept == straight[-1].kept
        one, other = (steps[-1].outcome for steps in (again, straight))
        assert one is not None
        assert other is not None
        mine, theirs = one.weights_for("task0"), other.weights_for("task0")
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_weights_of_the_last_step_are_refused_once_an_earlier_one_is_kept(problem32: Problem) -> None:
    last = run("distillation", problem32, steps=9, lr=0.3)[-1]
    assert last.kept != last.number
    assert last.weights is not None
    with pytest.raises(RuntimeError, match="step 9 are gone"):
        last.weights()


def test_it_is_a_yardstick_and_needs_no_labels() -> None:
    found = methods.get("distillation")
    assert not found.role.competes
    assert found.needed(settings("distillation", objective="pseudo_label")) is methods.get("adamerging").needs
