"""The measures that a report has of every task, as tables and the page show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.export.numbers import hundredths, percent


@dataclass(frozen=True)
class Reported:
    """One measure."""

    name: str
    """Its key in a report; of a person's own metric its name."""
    title: str
    help: str = ""
    best: Literal["highest", "lowest", ""] = "highest"
    """Which value is the best; empty where nobody says."""
    own: bool = False
    """Whether it is a person's own metric: any number, where the others are shares."""

    def text(self, value: float | None, unit: bool = False) -> str:
        """As people read it: a share in per cent, with the sign or without."""
        if self.own:
            # With a hyphen, a spreadsheet would take it for a formula.
            return "–" if value is None else f"{value:.4g}".replace("-", "−")
        return percent(value) if unit else hundredths(value)


ACCURACY = Reported("accuracy", "Accuracy", "share of the test images whose class is the answer")
MEASURES = (
    Reported("macro_accuracy", "Macro accuracy", "mean of the accuracies of all classes, each counting the same"),
    Reported("macro_f1", "Macro F1", "mean over classes of F1, the harmonic mean of precision and recall"),
    Reported("top5_accuracy", "Top-5 accuracy", "share of the test images whose class is among the five likeliest"),
    Reported("ece", "Calibration error", "how far apart confidence and accuracy are: ECE with 15 bins", best="lowest"),
)
"""Beside accuracy."""


def values(task: Mapping[str, Any]) -> dict[str, float]:
    """What a row of a report's `tasks` says beside accuracy, by name."""
    return _known(task, "", task.get("metrics", {}))


def averages(report: Mapping[str, Any]) -> dict[str, float]:
    """What a report says of its tasks on average beside accuracy, by name."""
    return _known(report, "average_", report.get("average_metrics", {}))


def reported(tasks: Iterable[Mapping[str, Any]]) -> tuple[Reported, ...]:
    """The measures of which rows of reports' `tasks` say something beside accuracy, a person's own last."""
    found = dict.fromkeys(name for task in tasks for name in (*values(task), *task.get("metrics", {})))
    own = [name for name in found if name not in {one.name for one in MEASURES}]
    return (
        *(one for one in MEASURES if one.name in found),
        *(Reported(name, name, "a metric of your own", best="", own=True) for name in own),
    )


def _known(told: Mapping[str, Any], prefix: str, metrics: Mapping[str, float | None]) -> dict[str, float]:
    found: dict[str, float | None] = {one.name: told.get(prefix + one.name) for one in MEASURES} | dict(metrics)
    return {name: value for name, value in found.items() if value is not None}
