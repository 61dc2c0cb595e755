"""Finished cells, and how studies read numbers out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.export.results import contest
from core.statistics import Estimate, estimate, mean
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
        return contest(self.cell.method, self.cell.settings, self.report or {})

    def accuracy(self, tasks: Sequence[str] | None = None, of: str = "accuracy") -> float | None:
        """Mean accuracy over `tasks`, by default those that were merged; None unless all of them are known.

        `of`: another accuracy on the same images that the report has, such as `base_accuracy`.
        """
        by_task = {task["name"]: task for task in (self.report or {}).get("tasks", [])}
        found = [by_task.get(name, {}).get(of) for name in (self.cell.tasks if tasks is None else tasks)]
        return None if None in found else mean(found)

    def normalised(self) -> float | None:
        """Mean of accuracy divided by the expert's accuracy, over the merged tasks."""
        return None if self.report is None else self.report.get("average_normalised")

    def measured(self, name: str) -> dict[str, Any]:
        """What a measure found; empty where the run is not done."""
        found: dict[str, Any] = (self.report or {}).get("measured", {}).get(name, {})
        return found


Metric = Callable[[Done], float | None]


def finished(cells: Iterable[Done]) -> list[Done]:
    """Those that have a report."""
    return [one for one in cells if one.report is not None]


def at(cells: Iterable[Done], **where: Any) -> list[Done]:
    """The finished cells at this place of the study, one per seed."""
    return [
        one
        for one in cells
        if one.report is not None and all(one.cell.where.get(name) == value for name, value in where.items())
    ]


def places(cells: Iterable[Done], *names: str) -> list[tuple[Any, ...]]:
    """The different places along some coordinates, in their order of planning."""
    return list(dict.fromkeys(tuple(one.cell.where.get(name) for name in names) for one in cells))


def over_seeds(cells: Sequence[Done], metric: Metric = Done.accuracy) -> Estimate | None:
    """Mean and interval of a metric over seeds; by default of the average accuracy over the merged tasks."""
    return estimate([metric(one) for one in cells])


def by_seed(cells: Iterable[Done]) -> dict[int, float | None]:
    """Seed -> average accuracy over the merged tasks, for paired differences."""
    return {one.cell.seed: one.accuracy() for one in cells}


def note_of(cells: Sequence[Done]) -> str:
    """How many seeds, and what it learned on."""
    adapted = {str((one.report or {}).get("adapted_on", "")) for one in cells} - {"", "nothing"}
    learned = f"learned on {', '.join(sorted(adapted))}" if adapted else ""
    seeds = f"{len(cells)} seeds" if len(cells) > 1 else ""
    return ", ".join(part for part in (seeds, learned) if part)


def on_task(task: str) -> Metric:
    """Accuracy on one task."""
    return lambda one: one.accuracy((task,))
