"""What a person should be warned of while a run goes on: signs that a lower entropy no longer means a better model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from typing_extensions import TypedDict

from core.insight.trust import remedy_for
from core.statistics import Half, clearly_better
from core.store import EvaluationRecord, RunRecord
from dashboard.charts.marks import Known

SMALLEST_FALL = 0.02
"""Accuracy that has to be lost before anybody is alarmed, beside one standard error of the sample."""


class Notice(TypedDict):
    """A warning about one task."""

    task: str
    kind: str
    text: str


def notices(
    record: RunRecord,
    measured: Sequence[EvaluationRecord],
    marks: Known,
    watched: Sequence[EvaluationRecord] = (),
) -> list[Notice]:
    """Warnings about a run, one per task at most.

    `below_base`: accuracy is below the base's on the same images. `falling`: accuracy fell while entropy fell.
    `drifting`: the model agrees less with the task's expert than at the start.
    """
    if not record.adapted_on or record.adapted_on == "nothing":
        return []
    remedy = remedy_for(record.settings.get("objective"))
    found: list[Notice] = []
    for task in record.tasks:
        samples = [one for one in measured if one.task == task and not one.full]
        looks = [one for one in watched if one.task == task and one.half is Half.CHOOSING and one.agreement is not None]
        told = {
            "below_base": below_base(task, samples, marks.base.get(task)),
            "falling": falling(task, samples),
            "drifting": drifting(task, looks),
        }
        for kind, text in [(kind, text) for kind, text in told.items() if text][:1]:
            found.append({"task": task, "kind": kind, "text": f"{text} Remedy: {remedy}."})
    return found


def below_base(task: str, samples: Sequence[EvaluationRecord], base: float | None) -> str:
    """A sentence where the newest accuracy is clearly below that of the base on the same images; else empty."""
    now = samples[-1] if samples else None
    if now is None or now.step == 0 or now.accuracy is None or base is None:
        return ""
    if base - now.accuracy <= max(SMALLEST_FALL, math.sqrt(base * (1 - base) / now.total)):
        return ""
    return (
        f"{task}: {100 * now.accuracy:.1f} % accurate after step {now.step}, below the base's {100 * base:.1f} % on "
        "the same images."
    )


def drifting(task: str, looks: Sequence[EvaluationRecord]) -> str:
    """A sentence where the newest look agrees clearly less with the expert than the first did; else empty.

    KL would not do: it also rises where the model only grows surer than its expert (study `trust`).
    """
    if len(looks) < 2 or not clearly_better(looks[:1], looks[-1:], "agreement"):
        return ""
    start, now = looks[0], looks[-1]
    return (
        f"{task}: the model agrees with its expert on {100 * (now.agreement or 0):.0f} % of {now.total} "
        f"monitoring images after step {now.step}, down from {100 * (start.agreement or 0):.0f} % at the start."
    )


def falling(task: str, samples: Sequence[EvaluationRecord]) -> str:
    """A sentence where accuracy fell clearly below an earlier one while entropy fell as well; else empty."""
    known = [one for one in samples if one.accuracy is not None]
    if len(known) < 2:
        return ""
    now = known[-1]
    best = max(known[:-1], key=lambda one: one.accuracy or 0.0)
    high, low = best.accuracy or 0.0, now.accuracy or 0.0
    error = math.sqrt(high * (1 - high) / best.total)
    if high - low <= max(SMALLEST_FALL, error) or now.entropy >= best.entropy:
        return ""
    return (
        f"{task}: accuracy fell from {100 * high:.1f} % (step {best.step}) to {100 * low:.1f} % (step {now.step}) "
        f"while its entropy fell from {best.entropy:.2f} to {now.entropy:.2f} nats: the model is growing more "
        "confident in wrong answers."
    )
