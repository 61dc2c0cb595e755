"""How long a run will take: from an earlier run like it, else from two steps measured in the background."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, cast

from core.progress import Progress
from core.store import RunRecord
from core.studies.engine.cost import SHAPE, image_seconds, pace
from core.suite.find import SuiteFile
from dashboard.door import Failed, Waiting
from dashboard.library import Library
from dashboard.pages.setup.shapes import Expected
from dashboard.pages.setup.wish import Wish
from dashboard.ui import duration

SAMPLE = 128
"""Images per task in the evaluations along the way; the runner's own cap."""
MEASURED_STEPS = 2
QUICK = 0.005
"""Seconds of a step below which it is not worth a number."""


def told(step: float, steps: int, along: float, final: float, source: str) -> Expected:
    """The seconds of all steps, of the evaluations between them and of that of all test images at the end, in a
    sentence or two; `source` says in words where they come from. Loading and waiting in the queue are not in it."""
    total = step * steps + along + final
    if not steps:
        return {"seconds": total, "text": f"A single formula, then {duration(final)} of evaluation ({source})."}
    rest = f"and {duration(along + final)} of evaluation ({source})."
    steps_told = f"{steps} steps of {step:.2g} s" if step >= QUICK else f"{steps} quick steps"
    text = f"About {duration(total)}: {steps_told} {rest}"
    return {"seconds": total, "text": text}


def forecast(wish: Wish, library: Library, runs: Sequence[RunRecord]) -> Expected | Waiting | Failed:
    """Measures in the background where nothing is known."""
    answer = library.later(("speed", *_likeness(wish, library)), lambda progress: _measure(wish, library, progress))
    spec, experts = wish.spec, len(wish.spec.tasks)
    steps, every = spec.method.total_steps(spec.settings), spec.execution.evaluate_every
    known = pace(spec.method.name, spec.settings.model_dump(mode="json"), experts, experts, runs) if steps else None
    if answer.pending:
        if known is None:
            return {"pending": True}
        text = f"About {duration(known * steps)} for {steps} steps, as in an earlier run, plus evaluation."
        return {"seconds": known * steps, "text": text}
    if answer.error:
        return {"error": answer.error}
    step, image = answer.value
    images = library.remember(("counts", wish.suite.name), wish.suite, lambda: _test_images(wish.suite))
    total = sum(images[task] for task in wish.tasks)
    return told(
        step=known if known is not None else step,
        steps=steps,
        along=(steps // every if every else 0) * SAMPLE * experts * image,
        final=total * image,
        source="an earlier run" if known is not None else "measured on this machine",
    )


def _likeness(wish: Wish, library: Library) -> tuple[Any, ...]:
    spec, how = wish.spec, wish.spec.execution
    shape = tuple(repr(getattr(spec.settings, name, None)) for name in SHAPE)
    return (*library.identity(wish.suite), wish.tasks, spec.method.name, how.device, how.precision, shape)


def _measure(wish: Wish, library: Library, progress: Progress) -> tuple[float, float]:
    """Seconds per step and per evaluated image."""
    problem, spec = wish.load(library, progress), wish.spec
    image = image_seconds(problem)
    if not spec.method.total_steps(spec.settings):
        return 0.0, image
    times = []
    with closing(cast("Any", spec.method.steps(problem, spec.settings))) as steps:
        for step in steps:
            times.append(step.seconds)
            if step.number >= MEASURED_STEPS or step.outcome is not None:
                break
    return min(times[1:] or times), image


def _test_images(suite: SuiteFile) -> dict[str, int]:
    sources = {task.name: task.source() for task in suite.tasks}
    return {name: source.count("test") if "test" in source.splits else 0 for name, source in sources.items()}
