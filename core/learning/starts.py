"""Data-free starts: λ learned around the model that another method makes of the same task vectors."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from core import methods
from core.methods.base import Need, Weights
from core.problem import Problem
from core.settings import parse
from core.task_vectors import TaskVectors

NONE = "none"


def names() -> tuple[str, ...]:
    """What a start can be: nothing, or a method that needs no data and makes one model."""
    return (NONE, *(name for name in methods.names() if _suits(name)))


def check(name: str) -> str:
    """`name`; raises `ValueError`, which names what there is."""
    if name != NONE and (name not in methods.names() or not _suits(name)):
        raise ValueError(f"one of {', '.join(names())}")
    return name


def moved(problem: Problem, vectors: TaskVectors, start: str, merged: Tensor) -> TaskVectors:
    """The same task vectors over another origin, so that where `merged` `[D]` was, the start's model is.

    θ(λ) = θ_start + Σ_k (λ_k − λ_init) τ_k: at λ = init it is the start itself, with its method's defaults.
    """
    return replace(vectors, origin=vectors.origin + (problem.task_vectors.flat(made(problem, start)) - merged))


def made(problem: Problem, start: str) -> Weights:
    """The model that a method makes with its defaults."""
    method = methods.get(start)
    outcome = None
    for step in method.steps(problem, parse(method.Settings, {}, start)):
        outcome = step.outcome or outcome
    assert outcome is not None
    return outcome.weights_for(problem.tasks[0])


def _suits(name: str) -> bool:
    found = methods.get(name)
    return found.single and found.needs is Need.NOTHING
