"""What a method has reached after so much processor time: a curve of points along one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest.mock import patch

from core import methods
from core.learning.watch import Watch
from core.problem.evaluate import evaluate
from core.problem.problem import Problem
from core.settings import parse
from core.statistics import mean
from core.step import Outcome

T = TypeVar("T")
MARKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Steps after which accuracy is measured, beside the last."""


@dataclass(frozen=True)
class Point:
    """A model on the way; the last one of a curve is the model that is kept."""

    step: int
    learning: float
    """Processor seconds since the method began, without watching."""
    watching: float
    """Processor seconds that it took to look at images kept apart."""
    accuracy: float
    """Mean over the tasks, 0…1."""


def walk(
    problem: Problem, name: str, values: Mapping[str, Any], split: str = "test", marks: Collection[int] = MARKS
) -> list[Point]:
    """Run a method to its end, and measure its models on all images of `split`; that takes none of its time."""
    method, points, spent = methods.get(name), list[Point](), 0.0
    with _watching() as watched:
        begin = time.process_time()
        for step in method.steps(problem, parse(method.Settings, values, name)):
            spent += time.process_time() - begin
            made = step.outcome
            if made is None and step.weights is not None and step.number in marks:
                made = Outcome.of(step.weights())
            if made is not None:
                points.append(Point(step.number, spent - watched[0], watched[0], _accuracy(problem, made, split)))
            begin = time.process_time()
    return points


def _accuracy(problem: Problem, made: Outcome, split: str) -> float:
    shares = [
        evaluate(problem, made.weights_for(task), task, split, features=made.features(task)).accuracy
        for task in problem.tasks
    ]
    return mean(shares) or 0.0


@contextmanager
def _watching() -> Iterator[list[float]]:
    """A list with one number: the processor seconds that all watches have taken meanwhile."""
    spent = [0.0]

    def clocked(work: Callable[..., T]) -> Callable[..., T]:
        def timed(*given: Any) -> T:
            begin = time.process_time()
            try:
                return work(*given)
            finally:
                spent[0] += time.process_time() - begin

        return timed

    with patch.object(Watch, "look", clocked(Watch.look)), patch.object(Watch, "report", clocked(Watch.report)):
        yield spent


def seconds(point: Point, *, guarded: bool) -> float:
    """What the point has cost; watching counts only for who goes back to an earlier step by it (`guarded`)."""
    return point.learning + point.watching * guarded


def reached(points: Sequence[Point], accuracy: float, *, guarded: bool) -> float | None:
    """Processor seconds at the first point that is so accurate; None where none is."""
    return next((seconds(point, guarded=guarded) for point in points if point.accuracy >= accuracy), None)
