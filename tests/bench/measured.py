"""One method on one loaded suite: what it achieves on test and held-out images, and what was watched on the way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core import methods
from core.problem.evaluate import evaluate
from core.problem.probe import divergence
from core.problem.problem import Problem
from core.settings import parse
from core.statistics import Half, average_share


@dataclass(frozen=True)
class Measured:
    """One run; shares are 0…1."""

    test: Mapping[str, float]
    """Task -> accuracy."""
    held_out: Mapping[str, float]
    kept: int | None
    """The step whose model it is."""
    looks: list[tuple[int, str, float, float]]
    """Step, half, agreement and KL to the experts, means over the tasks."""
    drawn: int
    """Images, over all tasks; one that is drawn again counts again."""
    seconds: float
    """Of the steps."""


def measure(problem: Problem, name: str, values: Mapping[str, Any]) -> Measured:
    """Run a method with these settings to its end and evaluate its model."""
    method, begin, drawn, looks = methods.get(name), time.perf_counter(), 0, []
    outcome, kept = None, None
    for step in method.steps(problem, parse(method.Settings, values, name)):
        drawn += step.samples
        looks += [
            (step.number, half.value, average_share(found, "agreement"), divergence(found))
            for half in Half if (found := step.watched.get(half))
        ]  # fmt: skip
        if step.outcome is not None:
            outcome, kept = step.outcome, step.kept
    seconds = time.perf_counter() - begin
    assert outcome is not None
    shares: dict[str, dict[str, float]] = {}
    for split in ("test", "held-out"):
        found = {
            task: evaluate(problem, outcome.weights_for(task), task, split, features=outcome.features(task)).accuracy
            for task in problem.tasks
        }
        shares[split] = {task: share for task, share in found.items() if share is not None}
    return Measured(shares["test"], shares["held-out"], kept, looks, drawn, seconds)
