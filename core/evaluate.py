"""Top-1 accuracy per task with a 95 % interval, and the references it is held against."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import torch

from core import paths
from core.files import remember
from core.methods.base import Features, Outcome, Weights
from core.objectives.entropy import entropy
from core.problem import Problem
from core.progress import Progress, Silent


@dataclass(frozen=True)
class Evaluation:
    """What a set of weights achieves on one split of one task."""

    task: str
    correct: int | None
    """Right top-1 answers; None where labels are not known."""
    total: int
    entropy: float
    """Mean prediction entropy in nats."""

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0…1."""
        return None if self.correct is None else self.correct / self.total

    @property
    def ci95(self) -> tuple[float, float] | None:
        """95 % Wilson score interval of the accuracy."""
        if self.correct is None:
            return None
        share, z = self.correct / self.total, NormalDist().inv_cdf(0.975)
        centre, spread = (
            share + z * z / (2 * self.total),
            z * math.sqrt(share * (1 - share) / self.total + (z / (2 * self.total)) ** 2),
        )
        whole = 1 + z * z / self.total
        return max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole)


@dataclass(frozen=True)
class Reference:
    """Base and expert of one task on the same images."""

    base: Evaluation
    expert: Evaluation | None
    """None for an unseen task."""


def evaluate(
    problem: Problem,
    weights: Weights,
    task: str,
    split: str = "test",
    limit: int | None = None,
    features: Features | None = None,
) -> Evaluation:
    """Evaluate weights on one split of a task, or on `limit` images spread evenly over it.

    `features` takes the encoder's place, for results that need modules beside it (`Outcome.features_for`).
    """
    images = problem.split(task, split)
    chosen = torch.arange(len(images))
    if limit is not None and limit < len(images):
        chosen = torch.linspace(0, len(images) - 1, limit).long()
    logits = problem.logits(weights, task, images.pixels[chosen], features)
    correct = None if images.labels is None else int((logits.argmax(1) == images.labels[chosen]).sum())
    return Evaluation(task, correct, len(chosen), entropy(logits).mean().item())


def evaluate_outcome(problem: Problem, outcome: Outcome, task: str, split: str = "test") -> Evaluation:
    """Evaluate what a method made, modules included, on one split of a task."""
    return evaluate(problem, outcome.weights_for(task), task, split, features=outcome.features(task))


def references(
    problem: Problem, split: str = "test", limit: int | None = None, progress: Progress | None = None
) -> dict[str, Reference]:
    """Base and expert accuracy of every task; remembered on disk by the content they depend on."""
    progress = progress or Silent()
    found: dict[str, Reference] = {}
    progress.start("Evaluating base and experts", sum(1 + (task in problem.tasks) for task in problem.heads))
    for task in problem.heads:
        base = _remembered(problem, "base", task, split, limit)
        progress.advance()
        expert = None
        if task in problem.tasks:
            expert = _remembered(problem, "expert", task, split, limit)
            progress.advance()
        found[task] = Reference(base, expert)
    progress.finish()
    return found


def _remembered(problem: Problem, role: str, task: str, split: str, limit: int | None) -> Evaluation:
    weights_hash = problem.hashes.get("base" if role == "base" else task)
    parts = [role, weights_hash, problem.content.get(task), split, limit, problem.execution]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    file = paths.cache() / "evaluations" / f"{key}.json"
    if weights_hash and (known := _read(file, task)):
        return known
    vectors = problem.task_vectors
    evaluation = evaluate(problem, vectors.base if role == "base" else vectors.expert(task), task, split, limit)
    if weights_hash:
        remember(file, lambda temporary: _write(temporary, evaluation))
    return evaluation


def _write(file: Path, evaluation: Evaluation) -> None:
    file.write_text(json.dumps(asdict(evaluation)), "utf-8")


def _read(file: Path, task: str) -> Evaluation | None:
    try:
        return Evaluation(**{**json.loads(file.read_text("utf-8")), "task": task})
    except (OSError, ValueError, TypeError):
        return None
