"""More experts, useful ones and useless ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.statistics import Estimate
from core.studies import Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, at, over_seeds, places
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table, Unit

POINTS = 4
"""Numbers of experts that are tried at most, of each kind."""
IRRELEVANT, RELEVANT = "irrelevant", "relevant"
METHODS = ("average", "task_arithmetic", "ties", "adamerging", "fw_hard", "fw_soft")
EQUAL = ("steps", "batch", "lr")
Values = dict[str, tuple[Estimate | None, ...]]


class Experts(Study):
    """Accuracy, time and memory against the number of experts (FW-Merging, arXiv 2503.12649, scaling).

    Tasks and images stay the same while experts join in the suite's order. *Irrelevant*: the first half of the tasks
    is merged, measured and learned from; then experts of other tasks join, without their images. *Relevant*: all tasks
    are measured and learned from, while their own experts join. Soft FW-Merging takes AdaMerging's steps, batch and
    learning rate, so that both see the same images beside those of its choices.
    """

    title = "Number of experts"
    question = "Does merging hold up when irrelevant experts are added, and does it benefit from relevant ones?"
    paper = "FW-Merging (arXiv 2503.12649), scaling with the number of models"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Growing prefixes of the tasks, once with the images of half of the tasks and once with those of all."""
        known = scope.settings("adamerging").model_dump()
        equal = {setting: known[setting] for setting in EQUAL}
        return [
            scope.cell(
                name,
                {"join": join, "experts": count},
                seed=seed,
                tasks=scope.tasks[:count],
                unseen=[task for task in targets if task not in scope.tasks[:count]],
                images_from=targets,
                measures=({"name": "memory"},),
                **(equal if name == "fw_soft" else {}),
            )
            for join, targets, counts in _families(scope)
            for count in counts
            for name in scope.methods(METHODS)
            for seed in scope.seeds_of(name)
        ]

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """Accuracy for both kinds; time and memory while relevant ones join, which are all sizes on equal images."""
        (_, half, some), (_, every, counts) = _families(scope)
        shown = [
            _Panel(f"Accuracy on the first {len(half)} tasks while others' experts join", IRRELEVANT, some,
                   lambda one: one.accuracy(half), "percent", "average accuracy"),
            _Panel("Accuracy on all tasks while their experts join", RELEVANT, counts,
                   lambda one: one.accuracy(every), "percent", "average accuracy"),
            _Panel("Time of a run on images of all tasks", RELEVANT, counts,
                   lambda one: (one.report or {}).get("seconds"), "seconds", "seconds"),
            _Panel("Memory of a run on top of the loaded suite, MiB", RELEVANT, counts,
                   lambda one: one.measured("memory").get("grown_mb"), "count", "MiB"),
        ]  # fmt: skip
        pairs = [(panel, panel.values(cells)) for panel in shown]
        findings = [panel.change(name, own) for panel, found in pairs[:2] for name, own in found.items()]
        return Result(
            tuple(panel.table(found) for panel, found in pairs),
            tuple(panel.chart(found) for panel, found in pairs),
            tuple(text for text in (*findings, _growth(*pairs[-1]), _held(cells)) if text),
            (_claims(),),
        )


@dataclass(frozen=True)
class _Panel:
    """One number of the runs against the number of merged experts: a table, a chart, a sentence for each method."""

    title: str
    join: str
    counts: Sequence[int]
    metric: Callable[[Done], float | None]
    unit: Unit
    y: str

    def values(self, cells: Sequence[Done]) -> Values:
        return {
            name: tuple(
                over_seeds(at(cells, method=name, join=self.join, experts=count), self.metric) for count in self.counts
            )
            for (name,) in places(cells, "method")
        }

    def table(self, found: Values) -> Table:
        columns = tuple(Column(f"{count} experts", self.unit) for count in self.counts)
        return Table(self.title, "Method", columns, tuple(Row(title_of(name), own) for name, own in found.items()))

    def chart(self, found: Values) -> Chart:
        x = tuple(map(float, self.counts))
        series = tuple(Series(title_of(name), x, own) for name, own in found.items())
        return Chart(self.title, "lines", "merged experts", self.y, series, self.unit)

    def change(self, name: str, own: Sequence[Estimate | None]) -> str:
        if len(own) < 2 or own[0] is None or own[-1] is None:
            return ""
        points, more = 100 * (own[-1].mean - own[0].mean), self.counts[-1] - self.counts[0]
        return f"{title_of(name)}: {points:+.1f} points when {more} {self.join} experts join."


def _families(scope: Scope) -> list[tuple[str, tuple[str, ...], list[int]]]:
    """Kind of the experts that join, the tasks that are measured and learned from, numbers of merged experts."""
    total = len(scope.tasks)
    half = max(1, total // 2)
    return [
        (IRRELEVANT, scope.tasks[:half], _spread(scope, half, total)),
        (RELEVANT, scope.tasks, _spread(scope, -(-total // POINTS), total)),
    ]


def _spread(scope: Scope, first: int, last: int) -> list[int]:
    counts = sorted({*range(first, last, max(1, -(-(last - first) // (POINTS - 1)))), last})
    return sorted({counts[0], counts[-1]}) if scope.options.quick else counts


def _growth(panel: _Panel, found: Values) -> str:
    """Which method's memory grows most with the number of experts."""
    growth = {n: own[-1].mean - own[0].mean for n, own in found.items() if own and own[0] and own[-1]}
    if not growth:
        return ""
    name = max(growth, key=lambda one: growth[one])
    return (
        f"From {panel.counts[0]} to {panel.counts[-1]} experts, the memory of a run grows most with {title_of(name)}: "
        f"by {growth[name]:.0f} MiB."
    )


def _held(cells: Sequence[Done]) -> str:
    """Where the task vectors were, which is no part of a run's own memory."""
    for one in cells:
        if found := one.measured("memory"):
            each = found["task_vectors_mb"] / len(one.cell.tasks)
            where = "a temporary file" if found["mapped"] else "memory (`--memory mapped` puts them into a file)"
            return f"Each expert's task vector takes {each:.1f} MiB on top of that; they were kept in {where}."
    return ""


def _claims() -> Table:
    """FW-Merging's published gains, which it states as ratios; its own task sets and checkpoints."""
    known = published.tables()["fw_merging_abstract"]
    rows = []
    for gain in known["gains"]:
        before, after = gain["before"] / 100, gain["after"] / 100
        numbers = (before, after, after - before, gain["percent"] / 100)
        rows.append(Row(gain["label"], tuple(map(Estimate, numbers)), gain["note"]))
    columns = (
        Column("Before", marks="nothing"),
        Column("FW-Merging", marks="nothing"),
        Column("Gain, points", "points"),
        Column("Gain as a ratio, %", marks="nothing"),
    )
    return Table("Published gains of FW-Merging", "Gain", columns, tuple(rows), f"{known['source']}; not measured here")
