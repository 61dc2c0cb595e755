"""Where a run is heading, found without labels before it starts: the same way, taken in a few long steps.

A run that learns λ goes far in hundreds of small steps. Adam's steps are about as long as the learning rate, so that a
few steps at a rate as many times higher come about as far. Where the model ends further from a task's expert than it
began, that task is likely to lose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import NonFinite
from core.problem.method import Method
from core.problem.problem import Problem
from core.progress import Progress
from core.settings import MethodSettings, parse
from core.statistics import Evaluation, Half
from core.step import Step

STEPS = 16
REACH = 1.0
"""How far λ is let go on that way, at most: beyond, it leaves what any expert was trained for."""


@dataclass(frozen=True)
class Look:
    """A task as the model sees it at one moment of the way, on images that are watched."""

    task: str
    share: float
    """How much of the run's way lies behind it, 0…1."""
    kl: float
    """KL(expert ‖ model) in nats; infinite where λ or a loss is no number any more."""
    agreement: float
    entropy: float


def ahead(
    problem: Problem,
    method: Method,
    settings: MethodSettings,
    steps: int = STEPS,
    reach: float = REACH,
    progress: Progress | None = None,
) -> list[Look]:
    """Looks at every task on the way of a run of `method` with these settings, from its start to its end.

    Empty where the method is not watched, or no image can be. Its images, start, objective and split are the run's.
    """
    progress = progress or Progress()
    values = settings.model_dump()
    if "keep_step" not in values or "steps" not in values:
        return []
    total, count = method.total_steps(settings), min(steps, values["steps"])
    changes = {"steps": count, "keep_step": "last", "patience": 0}
    if "lr" in values:
        changes["lr"] = min(values["lr"] * values["steps"], reach) / count
    short = parse(method.Settings, values | changes, method.name)
    found: list[Look] = []
    whole = method.total_steps(short) or total
    progress.start("Looking ahead, step", whole)
    try:
        for step in method.steps(problem, short):
            progress.advance()
            found += _looks(step, step.number / whole)
    except NonFinite:
        found += [Look(one.task, 1.0, math.inf, 0.0, math.nan) for one in found if not one.share]
    progress.finish()
    return found


def _looks(step: Step, share: float) -> list[Look]:
    """Both halves together where both were looked at, since nothing is chosen by them here."""
    halves = [step.watched[half] for half in Half if half in step.watched]
    return [_together(share, [one for half in halves for one in half if one.task == task]) for task in _tasks(halves)]


def _tasks(halves: Sequence[Sequence[Evaluation]]) -> list[str]:
    return list(dict.fromkeys(one.task for half in halves for one in half))


def _together(share: float, found: Sequence[Evaluation]) -> Look:
    total = sum(one.total for one in found)

    def mean(values: Sequence[float]) -> float:
        return sum(value * one.total for value, one in zip(values, found, strict=True)) / total

    kl = mean([math.inf if one.kl is None else one.kl for one in found])
    agreement = mean([one.agreement or 0.0 for one in found])
    return Look(found[0].task, share, kl, agreement, mean([one.entropy for one in found]))
