"""Finished cells, and how studies read numbers out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.export.results import contest, form_of, needs_of
from core.statistics import Estimate, estimate
from core.studies.engine.cells import Cell


@dataclass(frozen=True)
class Done:
    """A cell and what became of it."""

    cell: Cell
    report: dict[str, Any] | None = None
    """The report of its run; None where it is not done."""
    error: str = ""
    run: str = ""

    @property
    def contest(self) -> str:
        """What its result competes with."""
        form = form_of(self.cell.method, self.report or {})
        return contest(form, needs_of(self.cell.method, self.cell.settings))

    def accuracy(self, tasks: Sequence[str] | None = None) -> float | None:
        """Mean accuracy over `tasks`, by default those that were merged; None unless all of them are known."""
        found = self._values("accuracy", tasks if tasks is not None else self.cell.tasks)
        return sum(found) / len(found) if found else None

    def normalised(self) -> float | None:
        """Mean of accuracy divided by the expert's accuracy, over the merged tasks."""
        return None if self.report is None else self.report.get("average_normalised")

    def measured(self, name: str) -> dict[str, Any]:
        """What a measure found; empty where the run is not done."""
        found: dict[str, Any] = (self.report or {}).get("measured", {}).get(name, {})
        return found

    def reference(self, kind: str, tasks: Sequence[str] | None = None) -> float | None:
        """Mean accuracy of `base` or `expert` on the same images."""
        found = self._values(f"{kind}_accuracy", tasks if tasks is not None else self.cell.tasks)
        return sum(found) / len(found) if found else None

    def _values(self, key: str, tasks: Sequence[str]) -> list[float]:
        by_task = {task["name"]: task for task in (self.report or {}).get("tasks", [])}
        found = [by_task.get(name, {}).get(key) for name in tasks]
        return [value for value in found if value is not None] if None not in found else []


Metric = Callable[[Done], float | None]


def finished(cells: Iterable[Done]) -> list[Done]:
    """Those that have a report."""
    return [one for one in cells if one.report is not None]


def at(cells: Iterable[Done], **where: Any) -> list[Done]:
    """The finished cells at this place of the study, one a seed."""
    return [
        one
        for one in cells
        if one.report is not None and all(one.cell.where.get(name) == value for name, value in where.items())
    ]


def places(cells: Iterable[Done], *names: str) -> list[tuple[Any, ...]]:
    """The different places along some coordinates, in their order of planning."""
    return list(dict.fromkeys(tuple(one.cell.where.get(name) for name in names) for one in cells))


def over_seeds(cells: Sequence[Done], metric: Metric) -> Estimate | None:
    """Mean and interval of a metric over seeds."""
    return estimate([metric(one) for one in cells])


def by_seed(cells: Iterable[Done], metric: Metric) -> dict[int, float | None]:
    """Seed -> metric, for paired differences."""
    return {one.cell.seed: metric(one) for one in cells}


def mean_accuracy(one: Done) -> float | None:
    """Average accuracy over the merged tasks."""
    return one.accuracy()


def on_task(task: str) -> Metric:
    """Accuracy on one task."""
    return lambda one: one.accuracy((task,))
