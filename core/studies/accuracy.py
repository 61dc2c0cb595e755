"""The accuracy table: every method on every task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core import methods
from core.export.numbers import percent
from core.export.results import CONTESTS
from core.problem.method import Role
from core.statistics import Estimate, estimate, paired
from core.studies import Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, at, by_seed, over_seeds, places
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table, signed

WAYS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "stream": ("adamerging", "AdaMerging on a stream", {"adapt_on": "held-out", "once": True}),
    "proxy labels": ("distillation", "Distillation, proxy labels", {"objective": "pseudo_label"}),
}
"""Other ways to use unlabelled images: place in the study -> method, title, settings. All are measured on the same test
images; those of a stream are held-out images, each of which comes once and before any test image."""
Kind = tuple[str, str | None]
"""A method, and the way in `WAYS` that it goes; None: its own."""
_ADAMERGING: tuple[Kind, ...] = (("adamerging", None), ("adamerging", "stream"))
_COSTS: tuple[Kind, ...] = (
    *_ADAMERGING, ("distillation", None), ("distillation", "proxy labels"), ("multi_task", None),
)  # fmt: skip
"""Of these a sentence says what they reach at what cost."""


class Accuracy(Study):
    """All systems, tasks × methods (AdaMerging, tables 1 and 2)."""

    title = "Accuracy of every method"
    question = "How much of the experts' accuracy does each method keep, task by task?"
    paper = "AdaMerging, tables 1 and 2"

    def plan(self, scope: Scope) -> list[Cell]:
        """Every method of the registry; formulas once, methods that draw images with every seed."""
        chosen = scope.methods(methods.names())
        ordered = sorted(chosen, key=lambda name: (len(scope.seeds_of(name)) > 1, scope.steps(name), name))
        cells = [scope.cell(name, {}, seed=seed) for name in ordered for seed in scope.seeds_of(name)]
        return cells + [
            scope.cell(name, {"way": way}, seed=seed, **own)
            for way, (name, _, own) in WAYS.items()
            if name in chosen
            for seed in scope.seeds_of(name)
        ]

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """The table from best to worst, a bar for each method's average, and what it cost."""
        found = {kind: at(cells, method=kind[0], way=kind[1]) for kind in places(cells, "method", "way")}
        average = {kind: over_seeds(own) for kind, own in found.items() if own}
        kinds = sorted(average, key=lambda kind: -_mean(average[kind]))
        own = {kind: found[kind] for kind in kinds}
        rows = [(_label(kind), cells) for kind, cells in own.items()]
        table = scope.accuracy_table(f"Accuracy on {scope.suite.title}", "Method", rows)
        bars = Series("average accuracy", tuple(map(_label, kinds)), tuple(average[kind] for kind in kinds))
        chart = Chart("Average accuracy", "bars", "", "average accuracy", (bars,))
        findings = (*_findings(own, average, _best(kinds, table)), *_missing(cells))
        return Result((table, _costs(own)), (chart,), findings, published_tables(scope))


def _label(kind: Kind) -> str:
    name, way = kind
    return WAYS[way][1] if way in WAYS else title_of(name)


def _costs(own: Mapping[Kind, Sequence[Done]]) -> Table:
    columns = (
        Column("Normalised"),
        Column("Agreement"),
        Column("KL to the experts", "number"),
        Column("Seconds", "seconds"),
        Column("Images seen", "count"),
        Column("Peak memory, MB", "count"),
    )
    rows = []
    for kind, found in own.items():
        facts = ("average_agreement", "average_kl", "seconds", "samples_seen", "peak_memory_mb")
        values = [_fact(found, name) for name in facts]
        rows.append(Row(_label(kind), (over_seeds(found, Done.normalised), *values), contest=found[0].contest))
    return Table("How close to the experts, and what it cost", "Method", columns, tuple(rows))


def _fact(cells: Sequence[Done], name: str) -> Estimate | None:
    return estimate([(one.report or {}).get(name) for one in cells])


def _best(kinds: Sequence[Kind], table: Table) -> Kind | None:
    """What has the best average of one model made without labels; None where no two compete."""
    rows = zip(kinds, table.rows, table.best(), strict=True)
    return next((kind for kind, row, best in rows if best[-1] and row.contest == CONTESTS[0]), None)


def _findings(
    own: Mapping[Kind, Sequence[Done]], average: Mapping[Kind, Estimate | None], best: Kind | None
) -> list[str]:
    found = []
    if best is not None:
        reached = percent(_mean(average[best]))
        found.append(f"Highest average of a single model made without labels: {_label(best)} with {reached}.")
    for experts in filter(None, (average.get((name, None)) for name in methods.of_role(Role.UPPER))):
        found.append(f"The experts reach {100 * experts.mean:.1f} %, with one model per task.")
    fixed = next(iter(by_seed(own.get(("task_arithmetic", None), ())).values()), None)
    for kind in _ADAMERGING:
        values = by_seed(own.get(kind, ())).values()
        gains = [value - fixed for value in values if value is not None and fixed is not None]
        if gains:
            gain = 100 * sum(gains) / len(gains)
            words = "above" if gain >= 0 else "below"
            found.append(f"{_label(kind)} is {abs(gain):.1f} points {words} Task Arithmetic.")
    gap = paired(*(by_seed(own.get(("adamerging", way), ())) for way in ("stream", None)))
    if gap is not None:
        found.append(
            f"Learning from a stream of earlier images, each used once, changes AdaMerging's average by {signed(gap)} "
            "points compared with learning on the test images."
        )
    for kind in _COSTS:
        seconds, images = (_fact(own.get(kind, ()), name) for name in ("seconds", "samples_seen"))
        if seconds is not None and images is not None:
            reached, cost = percent(_mean(average[kind])), f"{images.mean:,.0f} images and {seconds.mean:,.0f} seconds"
            found.append(f"{_label(kind)} reaches {reached} after {cost}.")
    return found


def _missing(cells: Sequence[Done]) -> list[str]:
    """Why something has no result."""
    reasons: dict[Kind, str] = {}
    for one in cells:
        if one.report is None and one.error:
            reasons.setdefault((one.cell.method, one.cell.where.get("way")), one.error)
    return [f"{_label(kind)} has no result: {reason}" for kind, reason in reasons.items()]


def published_tables(scope: Scope) -> tuple[Table, ...]:
    """The paper's accuracies of the suite's architecture; of ViT-B/32 where the suite's is none of the paper's."""
    known = published.tables()
    arch = published.architecture(scope.suite.entry.base.arch)
    arch = arch if arch in known["accuracy"] else "ViT-B/32"
    columns = [*known["tasks"], "Average"]
    averages = {name: [value] for name, value in known["average_accuracy"][arch].items()}
    found = (("", columns, known["accuracy"][arch]), (" averages", ["Average"], averages))
    return tuple(
        published.table(f"Published{what}, {arch}", "Method", heads, rows, "tables 1 and 2", arch=arch)
        for what, heads, rows in found
    )


def _mean(value: Estimate | None) -> float:
    return value.mean if value is not None else float("-inf")
