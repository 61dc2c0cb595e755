"""How long a study takes: in advance from one measurement, then from what its cells took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core import measures
from core.errors import BadInput
from core.evaluate import evaluate
from core.problem import Problem
from core.settings import MethodSettings
from core.store import RunRecord
from core.studies.engine.cells import Cell

SAMPLE = 64
LEARNING = 3.0
"""Forward passes that a forward and backward pass over an image takes, and the merge with it."""


@dataclass(frozen=True)
class Forecast:
    """What a study will cost."""

    cells: int
    done: int
    """Cells whose results are there already."""
    seconds: float
    """Expected time of the others."""


def test_images(problem: Problem) -> dict[str, int]:
    """Task -> number of test images."""
    found = {}
    for task in problem.heads:
        try:
            found[task] = len(problem.split(task, "test"))
        except BadInput:
            found[task] = 0
    return found


def weight(cell: Cell, images: Mapping[str, int]) -> float:
    """The cell's cost in forward passes over one image."""
    looked = sum(images.get(task, 0) for task in (*cell.tasks, *cell.unseen))
    passes = 1 + sum(measures.get(str(one["name"])).evaluations(one) for one in cell.measures)
    steps, batch, samples = (int(cell.settings.get(name) or 0) for name in ("steps", "batch", "samples"))
    return looked * passes + (steps * batch + samples) * len(cell.images_from or cell.tasks) * LEARNING


def clock_of(problem: Problem, wanted: Sequence[tuple[str, MethodSettings]]) -> Clock:
    """The clock of runs of these methods, one after the other, on a whole loaded suite."""
    images = test_images(problem)
    cells = [Cell(name, settings.model_dump(mode="json"), problem.tasks, problem.unseen) for name, settings in wanted]
    return Clock([weight(cell, images) for cell in cells])


def image_seconds(problem: Problem) -> float:
    """Seconds of a forward pass over one image, measured."""
    base, task = problem.task_vectors.base, next(iter(problem.heads))
    evaluate(problem, base, task, limit=1)
    begin = time.perf_counter()
    total = evaluate(problem, base, task, limit=SAMPLE).total
    return (time.perf_counter() - begin) / total


def forecast(
    problem: Problem, cells: Sequence[Cell], known: Sequence[bool], earlier: Sequence[RunRecord] = ()
) -> Forecast:
    """Expected cost; `known` says of each cell whether it is done. Runs like a cell are taken from `earlier`."""
    images, speed = test_images(problem), image_seconds(problem)
    total = 0.0
    for cell, done in zip(cells, known, strict=True):
        if done:
            continue
        steps = int(cell.settings.get("steps") or 0)
        like = next((run for run in earlier if _alike(run, cell)), None)
        if like is None:
            total += weight(cell, images) * speed
        else:
            whole = weight(replace(cell, settings=dict(cell.settings) | {"steps": 0}), images)
            total += like.seconds / max(like.steps_done, 1) * max(steps, 1) + whole * speed
    return Forecast(len(cells), sum(known), total)


class Clock:
    """Time left, from the share of the work that is done and the time that it took."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights, self._begin, self._done, self._skipped = list(weights), time.monotonic(), 0.0, 0.0

    def skip(self, place: int) -> None:
        """This cell was done already."""
        self._skipped += self._weights[place]

    def finish(self, place: int) -> None:
        """This cell is done now."""
        self._done += self._weights[place]

    @property
    def left(self) -> float | None:
        """Seconds; None before the first cell is done."""
        if not self._done:
            return None
        rest = max(0.0, sum(self._weights) - self._done - self._skipped)
        return rest * (time.monotonic() - self._begin) / self._done


def _alike(run: RunRecord, cell: Cell) -> bool:
    if run.status != "done" or run.what_if is not None:
        return False
    if run.method != cell.method or len(run.tasks) != len(cell.tasks):
        return False
    if len(run.execution.get("images_from") or run.tasks) != len(cell.images_from or cell.tasks):
        return False
    return all(run.settings.get(name) == cell.settings.get(name) for name in ("group", "batch", "objective"))
