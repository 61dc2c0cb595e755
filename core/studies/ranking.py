"""How far measures that need no labels put models in the order of their accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.statistics import Estimate, mean, spearman
from core.studies.engine.result import Column, Row, Table

MEASURES = {"−KL to the experts": ("kl", -1), "agreement": ("agreement", 1), "−entropy": ("entropy", -1)}
"""Title -> what was looked at, and the sign with which higher is better."""


@dataclass(frozen=True)
class Model:
    """A model at one moment of a run."""

    accuracies: Mapping[str, float]
    """Task -> share of right answers on all test images."""
    looks: Mapping[str, Mapping[str, float]]
    """Task -> `kl`, `agreement` and `entropy` on watched images."""
    groups: frozenset[str]
    """What it is one of."""


def table(models: Sequence[Model]) -> Table:
    """Spearman's ρ of accuracy and measure: of the means over tasks, and within each task, averaged."""
    rows = []
    for group in ("", *sorted({group for model in models for group in model.groups})):
        chosen = [model for model in models if not group or group in model.groups]
        name = group or "all models"
        rows.append(_row(name, chosen, _of_means))
        rows.append(_row(f"{name}, task by task", chosen, _by_task))
    columns = (*(Column(title, "number") for title in MEASURES), Column("models", "count", marks="nothing"))
    return Table("Spearman's ρ of accuracy and what needs no labels", "Models", columns, tuple(rows))


def _row(name: str, models: Sequence[Model], correlation: Callable[[Sequence[Model], str, int], float | None]) -> Row:
    found = [correlation(models, measure, sign) for measure, sign in MEASURES.values()]
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
