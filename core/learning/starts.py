"""Data-free starts: λ learned around the model that another method makes of the same task vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator
from torch import Tensor

from core.objectives import Objective
from core.problem.merged import Batch
from core.problem.method import METHODS
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.settings import parse
from core.step import Need, Weights

NONE = "none"
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)


def names() -> tuple[str, ...]:
    """What a start can be: nothing, or a method that needs no data and makes one model."""
    known = map(METHODS.get, METHODS.names())
    return (NONE, *(method.name for method in known if method.single and method.needs is Need.NOTHING))


def check(name: str) -> str:
    """`name`; raises `ValueError`, which names what there is."""
    if name not in names():
        raise ValueError(f"one of {', '.join(names())}")
    return name


Name = Annotated[str, AfterValidator(check)]
"""The type of a setting that chooses a start."""


def update(problem: Problem, start: str) -> Tensor:
    """θ_start − θ₀ `[D]` of a start with its method's defaults."""
    return problem.task_vectors.flat(made(problem, start)) - problem.task_vectors.origin


def moved(problem: Problem, vectors: TaskVectors, change: Tensor, merged: Tensor) -> TaskVectors:
    """The same task vectors over another origin, so that where `merged` `[D]` was, θ₀ + `change` is.

    θ(λ) = θ₀ + change + Σ_k (λ_k − λ_init) τ_k: at λ = init it is the start itself.
    """
    return replace(vectors, origin=vectors.origin + (problem.task_vectors.origin + change - merged))


def fitting_scale(problem: Problem, change: Tensor, batches: Sequence[Batch], objective: Objective) -> float:
    """The factor on `change`, of those in `SCALES`, with the lowest loss of these batches, summed over the tasks."""
    vectors = problem.task_vectors

    def loss(scale: float) -> float:
        weights, total = vectors.named(vectors.origin + scale * change), 0.0
        for batch in batches:
            problem.tick()
            logits = problem.logits(weights, batch.task, batch.images)
            target = None if batch.target is None else batch.target.to(logits.device)
            total += objective(logits, target).mean().item()
        return total

    return min(SCALES, key=loss)


def made(problem: Problem, start: str) -> Weights:
    """The model that a method makes with its defaults."""
    method = METHODS.get(start)
    return method.outcome(problem, parse(method.Settings, {}, start)).weights_for(problem.tasks[0])
