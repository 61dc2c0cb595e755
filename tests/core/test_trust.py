"""The check before Start: a case that raises it, one that must not, and its measures by a naive computation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core import measures, methods, objectives
from core.encoders.encoder import Encoder
from core.insight.trust import BATCH, REACH, STEPS, ahead, shortened, trust
from core.problem.grouping import group
from core.problem.probe import Probe
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.step import Need
from core.tasks import Images
from tests.core.properties import run, settings

ADAMERGING = methods.get("adamerging")
LEARN = [name for name in methods.names() if methods.get(name).needs is Need.UNLABELLED]


class Constant(Encoder):
    """An encoder whose features are the one parameter, whatever the image."""

    def __init__(self) -> None:
        self.device, self.precision = torch.device("cpu"), "float64"
        self._tick = lambda: None

    def prepare(self, images: Tensor) -> Tensor:
        return images

    def features(self, weights: Mapping[str, Tensor], prepared: Tensor) -> Tensor:
        return weights["w"].expand(len(prepared), -1)


def made(experts: dict[str, float], labels: bool = True) -> Problem:
    """Logits are `[gap, 0]` for each expert and Σ λ·gap for a merged model."""
    deltas = torch.tensor([[gap, 0.0] for gap in experts.values()], dtype=torch.float64)
    vectors = TaskVectors(tuple(experts), ("w",), ((2,),), torch.zeros(2, dtype=torch.float64), deltas, {})
    images = Images(
        torch.zeros(300, 1, 1, 3, dtype=torch.uint8), torch.zeros(300, dtype=torch.int64) if labels else None
    )
    return Problem(
        suite="made",
        task_vectors=vectors,
        encoder=Constant(),
        heads=dict.fromkeys(experts, torch.eye(2, dtype=torch.float64)),
        load_images=lambda task, split: images,
        classes=dict.fromkeys(experts, ("a", "b")),
        micro_batch=50,
    )


def kl(expert: float, merged: float) -> float:
    """Of two classes whose logits differ by these gaps."""
    p, q = (1 / (1 + math.exp(-gap)) for gap in (expert, merged))
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


OPPOSED = {"strong": 5.0, "weak": -2.0}
"""The sum follows the strong expert, and the surer it gets the further it is from the weak one."""


def test_a_task_that_pays_for_the_others_certainty_is_not_trusted() -> None:
    strong, weak = trust(made(OPPOSED), ADAMERGING, settings("adamerging", steps=20, lr=0.01))
    assert strong.trusted
    assert strong.advice == ""
    assert weak.start.kl == pytest.approx(kl(-2.0, 0.3 * 3))
    assert weak.start.agreement == weak.end.agreement == 0
    # Sixteen steps of Adam along a gradient that keeps its sign take λ by 0.2: all that the run's twenty can.
    assert weak.end.kl == pytest.approx(kl(-2.0, 0.5 * 5 - 0.1 * 2), abs=0.02)
    assert not weak.trusted
    assert weak.advice.startswith("weak: in a short test run, the model moves away from its expert (KL 0.77 → ")
    assert "objective=expert_kl" in weak.advice


def test_experts_that_agree_are_trusted() -> None:
    found = trust(made({"one": 5.0, "other": 5.0}), ADAMERGING, settings("adamerging", steps=20, lr=0.01))
    assert all(one.trusted for one in found)
    assert all(one.end.kl < one.start.kl for one in found)


def test_a_run_that_follows_the_experts_is_not_told_to_follow_them() -> None:
    wanted = settings("adamerging", steps=20, lr=0.01, objective="expert_kl")
    doubtful = [one for one in trust(made(OPPOSED), ADAMERGING, wanted) if not one.trusted]
    assert all("objective=" not in one.advice for one in doubtful)


def test_no_label_is_looked_at() -> None:
    wanted = settings("adamerging", steps=20)
    assert trust(made(OPPOSED, labels=False), ADAMERGING, wanted) == trust(made(OPPOSED), ADAMERGING, wanted)


def test_the_check_takes_the_runs_start_and_objective() -> None:
    def first(**values: Any) -> float:
        return trust(made(OPPOSED), ADAMERGING, settings("adamerging", **values))[0].start.kl

    assert first(init=0.0) == pytest.approx(kl(5.0, 0.0))
    assert first(init=1.0) == pytest.approx(kl(5.0, 3.0))


def test_a_shortened_run_goes_as_far_as_the_run_in_fewer_steps() -> None:
    short = shortened(ADAMERGING, settings("adamerging", steps=400, lr=0.001, batch=7))
    assert short is not None
    values = short.model_dump()
    assert (values["steps"], values["lr"], values["batch"]) == (STEPS, pytest.approx(0.4 / STEPS), 7)
    far = shortened(ADAMERGING, settings("adamerging", steps=400, lr=0.1, batch=16))
    assert far is not None
    assert (far.model_dump()["lr"], far.model_dump()["batch"]) == (pytest.approx(REACH / STEPS), BATCH)
    assert shortened(methods.get("average"), settings("average")) is None


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARN)
def test_every_method_that_learns_without_labels_is_spoken_for(method: str, problem64: Problem) -> None:
    found = trust(problem64, methods.get(method), settings(method))
    assert [one.task for one in found] == list(problem64.tasks)
    assert all(math.isfinite(one.start.kl) for one in found)


def test_a_run_that_breaks_is_not_trusted(problem64: Problem) -> None:
    broken = replace(problem64, heads={task: head * float("inf") for task, head in problem64.heads.items()})
    found = trust(broken, ADAMERGING, settings("adamerging"))
    assert not any(one.trusted for one in found)
    assert all("diverges" in one.advice for one in found)


def naive_logits(problem: Problem, rows: Tensor, task: str, pixels: Tensor) -> Tensor:
    """Of θ₀ + Σ λ τ, tensor by tensor, with autograd through it all."""
    vectors, weights = problem.task_vectors, dict(problem.task_vectors.fixed)
    for name, row in zip(vectors.names, group(vectors.names, "tensor").row_of, strict=True):
        theta = vectors.base[name] + sum(rows[row, at] * one for at, one in enumerate(vectors.delta(name)))
        weights[name] = torch.as_tensor(theta)
    return problem.encoder.features(weights, problem.encoder.prepare(pixels)) @ problem.heads[task].T


def naive_kl(expert: Tensor, merged: Tensor) -> Tensor:
    p, q = expert.softmax(1), merged.softmax(1)
    return (p * (p / q).log()).sum(1).mean()


@pytest.mark.slow
def test_the_looks_are_those_of_a_naive_computation(problem64: Problem) -> None:
    wanted = settings("adamerging", steps=4, lr=0.05)
    looks = {(one.task, one.share): one for one in ahead(problem64, ADAMERGING, wanted)}
    last = run("adamerging", problem64, steps=4, lr=0.05, keep_step="last")[-1]
    assert last.coefficients is not None
    count = len(group(problem64.task_vectors.names, "tensor").groups)
    for share, rows in ((0.0, torch.full((count, 3), 0.3)), (1.0, last.coefficients.values)):
        for task, chosen in Probe.of(problem64, "test").images.items():
            pixels = problem64.images(task)[chosen]
            expert = problem64.logits(problem64.task_vectors.expert(task), task, pixels)
            merged = naive_logits(problem64, rows.double(), task, pixels)
            agreeing = (expert.argmax(1) == merged.argmax(1)).double().mean().item()
            assert looks[task, share].agreement == pytest.approx(agreeing)
            assert looks[task, share].kl == pytest.approx(naive_kl(expert, merged).item(), rel=1e-4, abs=1e-7)


@pytest.mark.slow
def test_the_directions_are_those_of_a_naive_computation(problem64: Problem) -> None:
    wanted = settings("adamerging")
    outcome = run("adamerging", problem64)[-1].outcome
    assert outcome is not None
    subject = measures.Subject(problem64, ADAMERGING, wanted, outcome, (), list)
    found = measures.get("trust").measure(subject, {})["gradients"]
    count = len(group(problem64.task_vectors.names, "tensor").groups)
    rows = torch.full((count, 3), 0.3, dtype=torch.float64, requires_grad=True)
    taken, towards = torch.zeros_like(rows), {}
    for task, chosen in Probe.of(problem64, "test").images.items():
        pixels = problem64.split(task, "test").pixels[chosen[:64]]
        expert = problem64.logits(problem64.task_vectors.expert(task), task, pixels)
        merged = naive_logits(problem64, rows, task, pixels)
        loss = objectives.get("entropy").per_sample(merged, None).mean()
        taken = taken + torch.autograd.grad(loss, rows, retain_graph=True)[0]
        towards[task] = torch.autograd.grad(naive_kl(expert, merged), rows)[0]
    total = torch.stack(list(towards.values())).sum(0)
    cosine = torch.nn.functional.cosine_similarity
    assert found["sum"] == pytest.approx(cosine(taken.flatten(), total.flatten(), 0).item(), abs=1e-9)
    for task, one in towards.items():
        assert found["tasks"][task] == pytest.approx(cosine(taken.flatten(), one.flatten(), 0).item(), abs=1e-9)
