"""Whether a run can be trusted to do no harm, found before it starts and without labels: its way in a few long steps.

A run that learns λ goes far in hundreds of small steps. Adam's steps are about as long as the learning rate, so that a
few steps at a rate as many times higher come about as far. A task whose expert the model then lies further from is
likely to lose. How often this is right is measured by the study `trust`: on the demo suite, of 56 cases that chose no
threshold, it warned in 20 of the 35 in which a task lost more than 3 points, and was silent in 17 of the other 21.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import NonFinite
from core.problem.method import Method
from core.problem.probe import Probe
from core.problem.problem import Problem
from core.progress import SILENT, Progress
from core.settings import MethodSettings, parse
from core.statistics import Evaluation, Half, mean
from core.step import Need, Outcome

STEPS, BATCH = 16, 8
"""Steps of the shortened run, and images of a task in each: twice as many take longer and warn of the same cases."""
REACH = 4.0
"""How far it lets λ go at most: λ = 1 is a whole expert, and more steps would end where the clamp does."""
RISE = 0.29
"""KL(expert ‖ model), in nats, by which a task has to end further from its expert before anybody is warned of it."""
MEAN_RISE = 0.34
"""The same on average over the tasks, before anybody is warned of the whole merge."""


@dataclass(frozen=True)
class Look:
    """A task as the model sees it at one moment of the shortened run, on images that are watched."""

    task: str
    share: float
    """How much of the way lies behind it, 0…1."""
    kl: float
    """KL(expert ‖ model) in nats; infinite where λ or a loss is no number any more."""
    agreement: float
    entropy: float


@dataclass(frozen=True)
class TaskTrust:
    """The check of one task."""

    task: str
    start: Look
    end: Look
    remedy: str
    """What to do where it can't be trusted."""

    @property
    def rise(self) -> float:
        """By how much KL(expert ‖ model) rises on the way, in nats; infinite where the run breaks."""
        return self.end.kl - self.start.kl

    @property
    def trusted(self) -> bool:
        """Whether the model ends about as near to the task's expert as it starts, or nearer."""
        return self.rise <= RISE

    @property
    def advice(self) -> str:
        """What was measured, what follows and what to do; empty where nothing needs doing."""
        if self.trusted:
            return ""
        if math.isinf(self.end.kl):
            return f"{self.task}: λ or the loss diverges in a short test run. To avoid this, {self.remedy}."
        return (
            f"{self.task}: in a short test run, the model moves away from its expert (KL {self.start.kl:.2f} → "
            f"{self.end.kl:.2f} nats, agreement {100 * self.start.agreement:.0f} → {100 * self.end.agreement:.0f} %), "
            f"so the full run will probably cost accuracy on this task. To avoid this, {self.remedy}."
        )


def overall(found: Sequence[TaskTrust]) -> str:
    """A warning of the whole merge, where the average is likely to end below the start; else empty."""
    if not found or rise_on_average(found) <= MEAN_RISE:
        return ""
    begin, end = (mean([getattr(one, moment).kl for one in found]) for moment in ("start", "end"))
    return (
        f"In a short test run, the model on average moves away from the experts (KL {begin:.2f} → {end:.2f} nats), so "
        f"the full run will probably end below its start. To avoid this, {found[0].remedy}, or run a formula such as "
        "`tsv_m`."
    )


def warnings(found: Sequence[TaskTrust]) -> list[str]:
    """Everything that a person should be warned of, the whole merge first."""
    return [text for text in (overall(found), *(one.advice for one in found)) if text]


def rise_on_average(found: Sequence[TaskTrust]) -> float:
    """By how much KL(expert ‖ model) rises, in nats, the mean over tasks."""
    return sum(one.rise for one in found) / len(found)


def trust(problem: Problem, method: Method, settings: MethodSettings, progress: Progress = SILENT) -> list[TaskTrust]:
    """Check every task that can be watched; empty for methods that see no images."""
    looks = ahead(problem, method, settings, progress=progress)
    first, last = ({one.task: one for one in looks if one.share == share} for share in (0, 1))
    steps = "steps" in type(settings).model_fields
    remedy = remedy_for(getattr(settings, "objective", None)) if steps else "leave the task out"
    return [TaskTrust(task, begin, last[task], remedy) for task, begin in first.items() if task in last]


def remedy_for(objective: str | None) -> str:
    """What helps where a run that minimises this does harm; None where nothing else could be."""
    fewer = "take fewer steps, lower `lr`, or leave the task out"
    return fewer if objective in (None, "expert_kl") else f"set `objective=expert_kl`, {fewer}"


def shortened(
    method: Method, settings: MethodSettings, steps: int = STEPS, reach: float = REACH
) -> MethodSettings | None:
    """Settings of the run that looks ahead: as many `steps`, or of a closed form `samples`; None where a method sees no
    images, or trains on labels."""
    values, changes = settings.model_dump(), dict[str, Any]()
    if method.needs is not Need.UNLABELLED:
        return None
    if "keep_step" in values:
        changes = {"keep_step": "last", "patience": 0}
    if (masked := getattr(settings, "masked", None)) is not None:
        changes["masks"] = "on" if masked else "off"  # As the whole run, which draws more images, has them.
    if "steps" in values:
        changes["steps"] = count = min(steps, values["steps"])
        changes |= {"batch": min(BATCH, values["batch"])} if "batch" in values else {}
        if "lr" in values:
            changes["lr"] = min(values["lr"] * values["steps"], reach) / count
    else:
        changes["samples"] = min(steps, values["samples"])
    return parse(method.Settings, values | changes, method.name)


def ahead(
    problem: Problem,
    method: Method,
    settings: MethodSettings,
    steps: int = STEPS,
    reach: float = REACH,
    progress: Progress = SILENT,
) -> list[Look]:
    """Looks at every task on the way of a shortened run, from its start to its end.

    Of a method that is not watched: at the base and at the end. Empty where it sees no images, or none can be watched.
    Images, start, objective and split are the run's.
    """
    short = shortened(method, settings, steps, reach)
    if short is None:
        return []
    found, whole = list[Look](), method.total_steps(short)
    progress.start("Looking ahead, step", whole)
    try:
        outcome = None
        for step in method.steps(problem, short):
            progress.advance(1 if step.number else 0)
            outcome = step.outcome or outcome
            found += _together(step.number / whole, [one for half in Half for one in step.watched.get(half, ())])
        if not found and outcome is not None:
            probe = Probe.of(problem, short.model_dump()["adapt_on"])
            for share, made in enumerate((Outcome.of(problem.task_vectors.base), outcome)):
                found += _together(share, [one for half in Half for one in probe.evaluate(made, half)])
    except NonFinite:
        found += [Look(one.task, 1.0, math.inf, 0.0, math.nan) for one in found if not one.share]
    progress.finish()
    return found


def _together(share: float, found: Sequence[Evaluation]) -> list[Look]:
    """Both halves as one where both were looked at, since nothing is chosen by them here."""
    tasks = dict.fromkeys(one.task for one in found)
    return [_look(share, [one for one in found if one.task == task]) for task in tasks]


def _look(share: float, found: Sequence[Evaluation]) -> Look:
    total = sum(one.total for one in found)

    def average(values: Sequence[float | None], unknown: float) -> float:
        known = [unknown if value is None else value for value in values]
        return sum(value * one.total for value, one in zip(known, found, strict=True)) / total

    kl = average([one.kl for one in found], math.inf)
    kl = math.inf if math.isnan(kl) else kl
    agreement = average([one.agreement for one in found], 0.0)
    return Look(found[0].task, share, kl, agreement, average([one.entropy for one in found], math.nan))
