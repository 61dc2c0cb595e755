"""For the study `trust`: what is measured before a run, as one number that is high where harm is to be expected.

And how far measures that need no labels put models in the order of their accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.insight.trust import MEAN_RISE, REACH, RISE, STEPS
from core.statistics import Estimate, mean, spearman
from core.studies.engine.result import Column, Row, Table

AHEAD = ((8, 1.0), (16, 1.0), (16, 4.0))
"""Steps and reach of the shorter runs that look ahead."""
BROKEN = 100.0
"""The score where λ or a loss was no number any more; KL rises by a few nats at most."""
Measured = Mapping[str, Any]
"""What `core.measures.trust` found."""
Fold = Callable[[Sequence[float]], float]
CHECKED = f"ahead {STEPS} {REACH:g}"
"""The shortened run that the check before Start takes."""
RANKED = {"−KL to the experts": ("kl", -1), "agreement": ("agreement", 1), "−entropy": ("entropy", -1)}
"""Title -> what was looked at, and the sign with which higher is better."""


@dataclass(frozen=True)
class Predictor:
    """A way to foresee harm."""

    title: str
    score: Callable[[Measured], float | None]
    """Higher where harm is likelier; None where it can't be had."""
    clock: str = ""
    """What of the measured `seconds` it takes; empty: nothing worth telling."""
    threshold: float | None = None
    """Above it is a warning; None: chosen on one half of the cases."""

    def seconds(self, measured: Measured) -> float | None:
        """What it took."""
        found: float | None = measured["seconds"].get(self.clock)
        return found


def _old(measured: Measured) -> float | None:
    start = {one["task"]: one["entropy"] for one in measured["looks"] if one["step"] == 0}
    experts = measured["expert_entropy"]
    return max((experts[task] - value for task, value in start.items() if value is not None), default=None)


def _gradient(measured: Measured) -> float | None:
    found = measured["gradients"]
    return None if found is None or found["sum"] is None else -found["sum"]


def _gradient_of_task(measured: Measured) -> float | None:
    found = measured["gradients"]
    known = [] if found is None else [one for one in found["tasks"].values() if one is not None]
    return max((-one for one in known), default=None)


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _rise(begin: Sequence[Measured], end: Sequence[Measured], what: str, fold: Fold) -> float | None:
    """How much KL rises, or agreement falls, from begin to end: in the worst task, or on average."""
    sign = 1 if what == "kl" else -1
    before = {one["task"]: one[what] for one in begin}
    changes = []
    for one in end:
        value, first = one[what], before.get(one["task"])
        if first is None:
            return None
        changes.append(BROKEN if value is None else sign * (value - first))
    return fold(changes) if changes else None


def _shortened(name: str, what: str, fold: Fold) -> Callable[[Measured], float | None]:
    def score(measured: Measured) -> float | None:
        looks = measured["ahead"].get(name) or []
        begin, end = ([one for one in looks if one["share"] == at] for at in (0, 1))
        return _rise(begin, end, what, fold)

    return score


def _whole_way(steps: int, reach: float) -> list[Predictor]:
    name, words = f"ahead {steps} {reach:g}", f"whole way in {steps} steps, reach {reach:g}"
    folds: list[tuple[str, Fold]] = [("worst task", max), ("average", _average)]
    return [
        Predictor(f"{words}: {title}, {of}", _shortened(name, what, fold), name)
        for what, title in (("kl", "KL"), ("agreement", "agreement"))
        for of, fold in folds
    ]


OF_TASK = Predictor("the check before Start", _shortened(CHECKED, "kl", max), CHECKED, RISE)
OF_ALL = Predictor("the check before Start", _shortened(CHECKED, "kl", _average), CHECKED, MEAN_RISE)

PREDICTORS = (
    Predictor("an expert less confident than the start (the old rule)", _old, threshold=0.0),
    Predictor("direction: objective and KL, summed", _gradient, "gradients"),
    Predictor("direction: objective and KL of the worst task", _gradient_of_task, "gradients"),
    *(predictor for one in AHEAD for predictor in _whole_way(*one)),
)
"""All that are compared."""


@dataclass(frozen=True)
class Model:
    """A model at one moment of a run."""

    accuracies: Mapping[str, float]
    """Task -> share of right answers on all test images."""
    looks: Mapping[str, Mapping[str, float]]
    """Task -> `kl`, `agreement` and `entropy` on watched images."""
    groups: frozenset[str]
    """What it is one of."""


def ranks(models: Sequence[Model]) -> Table:
    """Spearman's ρ of accuracy and measure: of the means over tasks, and within each task, averaged."""
    rows = []
    for group in ("", *sorted({group for model in models for group in model.groups})):
        chosen = [model for model in models if not group or group in model.groups]
        name = group or "all models"
        rows.append(_row(name, chosen, _of_means))
        rows.append(_row(f"{name}, task by task", chosen, _by_task))
    columns = (*(Column(title, "number") for title in RANKED), Column("models", "count", marks="nothing"))
    return Table("Spearman's ρ of accuracy and measures that need no labels", "Models", columns, tuple(rows))


def _row(name: str, models: Sequence[Model], correlation: Callable[[Sequence[Model], str, int], float | None]) -> Row:
    found = [correlation(models, measure, sign) for measure, sign in RANKED.values()]
    values = [None if value is None else Estimate(value) for value in found]
    return Row(name, (*values, Estimate(float(len(models)))))


def _of_means(models: Sequence[Model], measure: str, sign: int) -> float | None:
    pairs = [
        (sum(one.accuracies[task] for task in one.looks), sign * sum(look[measure] for look in one.looks.values()))
        for one in models
    ]
    return _rho([(a / len(one.looks), b / len(one.looks)) for (a, b), one in zip(pairs, models, strict=True)])


def _by_task(models: Sequence[Model], measure: str, sign: int) -> float | None:
    tasks = {task for one in models for task in one.looks}
    return mean([
        _rho([(one.accuracies[task], sign * one.looks[task][measure]) for one in models if task in one.looks])
        for task in sorted(tasks)
    ])  # fmt: skip


def _rho(pairs: Sequence[tuple[float, float]]) -> float | None:
    found = spearman([left for left, _ in pairs], [right for _, right in pairs])
    return None if found is None else found[0]
