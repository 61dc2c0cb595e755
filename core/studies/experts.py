"""More experts, useful ones and useless ones."""

from __future__ import annotations

from collections.abc import Sequence

from core.statistics import Estimate
from core.studies.base import Study, title_of
from core.studies.engine.cells import Cell
from core.studies.engine.done import Done, at, over_seeds, places
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table
from core.studies.engine.scope import Scope

POINTS = 8
"""Numbers of experts that are tried at most."""


class Experts(Study):
    """Accuracy and memory against the number of experts (FW-Merging, arXiv 2503.12649, scaling).

    One family of merges answers both questions: the experts join in the suite's order. *Irrelevant*: accuracy on the
    first half of the tasks, while experts of other tasks join. *Relevant*: accuracy on all tasks, while their experts
    join. Unlike in that paper every merged task also gives its unlabelled images to methods that learn.
    """

    name = "experts"
    title = "Number of experts"
    question = "Does merging hold up when irrelevant experts are added, and does it gain from relevant ones?"
    paper = "FW-Merging (arXiv 2503.12649), scaling with the number of models"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Growing prefixes of the tasks; all tasks are evaluated each time."""
        cells = []
        for count in _counts(scope):
            merged, rest = scope.tasks[:count], scope.tasks[count:]
            for name in scope.methods(("average", "task_arithmetic", "ties", "adamerging", "fw_hard", "fw_soft")):
                for seed in scope.seeds_of(name):
                    cells.append(scope.cell(name, {"experts": count}, seed=seed, tasks=merged, unseen=rest))
        return cells

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """Two charts over the number of experts."""
        names = [name for (name,) in places(cells, "method")]
        counts = sorted({one.cell.where["experts"] for one in cells})
        half = _half(scope)
        targets = scope.tasks[:half]

        def values(name: str, tasks: Sequence[str], numbers: Sequence[int]) -> tuple[Estimate | None, ...]:
            return tuple(
                over_seeds(at(cells, method=name, experts=n), lambda one: one.accuracy(tasks)) for n in numbers
            )

        added = [count for count in counts if count >= half]
        irrelevant = {name: values(name, targets, added) for name in names}
        relevant = {name: values(name, scope.tasks, counts) for name in names}
        memory = {
            name: tuple(
                over_seeds(at(cells, method=name, experts=n), lambda one: (one.report or {}).get("peak_memory_mb"))
                for n in counts
            )
            for name in names
        }
        first = f"Accuracy on the first {half} tasks while others' experts join"
        second = "Accuracy on all tasks while their experts join"
        charts = tuple(
            Chart(title, "lines", "merged experts", "average accuracy", _series(found, numbers))
            for title, found, numbers in ((first, irrelevant, added), (second, relevant, counts))
        )
        tables = (
            _table(first, irrelevant, added), _table(second, relevant, counts),
            _table("Peak memory of the process, MB", memory, counts, "count"),
        )  # fmt: skip
        findings = [_change(name, irrelevant[name], "irrelevant experts", added) for name in names]
        findings += [_change(name, relevant[name], "relevant experts", counts) for name in names]
        return Result(tables, charts, tuple(text for text in findings if text))


def _half(scope: Scope) -> int:
    return max(1, len(scope.tasks) // 2)


def _counts(scope: Scope) -> list[int]:
    total = len(scope.tasks)
    stride = max(1, -(-total // POINTS))
    counts = sorted({*range(1, total + 1, stride), _half(scope), total})
    return sorted({_half(scope), total}) if scope.options.quick else counts


def _series(found: dict[str, tuple[Estimate | None, ...]], numbers: Sequence[int]) -> tuple[Series, ...]:
    return tuple(Series(title_of(name), tuple(map(float, numbers)), values) for name, values in found.items())


def _table(
    title: str, found: dict[str, tuple[Estimate | None, ...]], numbers: Sequence[int], unit: str = "percent"
) -> Table:
    columns = tuple(Column(f"{n} experts", "count" if unit == "count" else "percent") for n in numbers)
    return Table(title, "Method", columns, tuple(Row(title_of(name), values) for name, values in found.items()))


def _change(name: str, values: Sequence[Estimate | None], what: str, numbers: Sequence[int]) -> str:
    if len(values) < 2 or values[0] is None or values[-1] is None:
        return ""
    change = 100 * (values[-1].mean - values[0].mean)
    return f"{title_of(name)}: {change:+.1f} points when {numbers[-1] - numbers[0]} {what} join."
