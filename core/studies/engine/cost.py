"""How long a study takes: in advance from one measurement, then from what its cells took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core import measures
from core.problem.evaluate import evaluate
from core.problem.problem import Problem
from core.settings import MethodSettings
from core.store import RunRecord
from core.studies.engine.cells import Cell

SAMPLE = 64
LEARNING = 3
"""Forward passes that a forward and backward pass over an image takes, and the merge with it."""
SHAPE = ("group", "batch", "objective", "keep")
"""Settings that the time of a step depends on."""
SURE = 5
"""Steps after which an unfinished run tells how long one takes."""


def test_images(problem: Problem) -> dict[str, int]:
    """Task -> number of test images."""
    return {task: len(problem.found(task, "test") or ()) for task in problem.heads}


def weight(cell: Cell, images: Mapping[str, int]) -> int:
    """The cell's cost in forward passes over one image."""
    looked = sum(images.get(task, 0) for task in (*cell.tasks, *cell.unseen))
    passes = 1 + sum(measures.get(str(one["name"])).evaluations(one) for one in cell.measures)
    steps, batch, samples = (int(cell.settings.get(name) or 0) for name in ("steps", "batch", "samples"))
    return looked * passes + (steps * batch + samples) * len(cell.images_from or cell.tasks) * LEARNING


def weights_of(problem: Problem, wanted: Sequence[tuple[str, MethodSettings]]) -> list[int]:
    """The costs of runs of these methods on a whole loaded suite."""
    images = test_images(problem)
    cells = [Cell(name, settings.model_dump(mode="json"), problem.tasks, problem.unseen) for name, settings in wanted]
    return [weight(cell, images) for cell in cells]


def image_seconds(problem: Problem) -> float:
    """Seconds of a forward pass over one image, measured."""
    base, task = problem.task_vectors.base, next(iter(problem.heads))
    evaluate(problem, base, task, limit=1)
    begin = time.perf_counter()
    total = evaluate(problem, base, task, limit=SAMPLE).total
    return (time.perf_counter() - begin) / total


def forecast(problem: Problem, cells: Sequence[Cell], known: Sequence[bool], earlier: Sequence[RunRecord]) -> float:
    """Expected seconds; `known` says of each cell whether it is done. Runs like a cell are taken from `earlier`."""
    images, speed = test_images(problem), image_seconds(problem)
    total = 0.0
    for cell, done in zip(cells, known, strict=True):
        if done:
            continue
        steps = int(cell.settings.get("steps") or 0)
        merged, learned = len(cell.tasks), len(cell.images_from or cell.tasks)
        step = pace(cell.method, cell.settings, merged, learned, earlier)
        if step is None:
            total += weight(cell, images) * speed
        else:
            whole = weight(replace(cell, settings=dict(cell.settings) | {"steps": 0}), images)
            total += step * max(steps, 1) + whole * speed
    return total


def pace(
    method: str, settings: Mapping[str, object], merged: int, learned: int, runs: Sequence[RunRecord]
) -> float | None:
    """Seconds a step of the first of `runs` whose steps take as long: as many experts are `merged`, the images of as
    many tasks `learned` from. None where there is none."""
    for run in runs:
        if run.what_if is not None:
            continue
        here = (run.method, len(run.tasks), len(run.execution.images_from or run.tasks))
        shape = all(run.settings.get(name) == settings.get(name) for name in SHAPE)
        # A formula counts no steps.
        known = run.steps_done >= SURE or (run.status == "done" and not run.steps)
        if known and run.seconds and shape and here == (method, merged, learned):
            return float(run.seconds / max(run.steps_done, 1))
    return None
