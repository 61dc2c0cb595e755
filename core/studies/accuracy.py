"""The accuracy table: every method on every task."""

from __future__ import annotations

from collections.abc import Sequence

from core import methods
from core.export.numbers import percent
from core.export.results import CONTESTS
from core.problem.method import Role
from core.statistics import Estimate, estimate
from core.studies import published
from core.studies.base import Study, source, title_of
from core.studies.engine.cells import Cell
from core.studies.engine.done import Done, at, by_seed, finished, over_seeds, places
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table, published_table
from core.studies.engine.scope import Scope


class Accuracy(Study):
    """All systems, tasks × methods (AdaMerging, tables 1 and 2)."""

    name = "accuracy"
    title = "Accuracy of every method"
    question = "How much of the experts' accuracy does each method keep, task by task?"
    paper = "AdaMerging, tables 1 and 2"

    def plan(self, scope: Scope) -> list[Cell]:
        """Every method of the registry; formulas once, methods that draw images with every seed."""
        chosen = scope.methods(methods.names())
        ordered = sorted(chosen, key=lambda name: (len(scope.seeds_of(name)) > 1, scope.steps(name), name))
        return [scope.cell(name, {}, seed=seed) for name in ordered for seed in scope.seeds_of(name)]

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """The table from best to worst, a bar for each method's average, and what it cost."""
        names = [name for (name,) in places(cells, "method") if at(cells, method=name)]
        average = {name: over_seeds(at(cells, method=name)) for name in names}
        names.sort(key=lambda name: -_mean(average[name]))
        rows = [(title_of(name), at(cells, method=name)) for name in names]
        table = scope.accuracy_table(f"Accuracy on {scope.suite.title}", "Method", rows)
        shown = tuple(title_of(name) for name in names)
        bars = Series("average accuracy", shown, tuple(average[name] for name in names))
        chart = Chart("Average accuracy", "bars", "", "average accuracy", (bars,))
        findings = _findings(cells, names, average, _best(names, table))
        return Result((table, _costs(cells, names)), (chart,), findings, published_tables(scope))


def _costs(cells: Sequence[Done], names: Sequence[str]) -> Table:
    columns = (
        Column("Normalised"),
        Column("Seconds", "seconds"),
        Column("Images seen", "count"),
        Column("Peak memory, MB", "count"),
    )
    rows = []
    for name in names:
        found = at(cells, method=name)
        facts = ("seconds", "samples_seen", "peak_memory_mb")
        values = [estimate([(one.report or {}).get(fact) for one in found]) for fact in facts]
        rows.append(Row(title_of(name), (over_seeds(found, Done.normalised), *values), contest=found[0].contest))
    return Table("What it cost", "Method", columns, tuple(rows))


def _best(names: Sequence[str], table: Table) -> str:
    """The method with the best average of one model made without labels; empty where no two compete."""
    rows = zip(names, table.rows, table.best(), strict=True)
    return next((name for name, row, best in rows if best[-1] and row.contest == CONTESTS[0]), "")


def _findings(
    cells: Sequence[Done], names: Sequence[str], average: dict[str, Estimate | None], best: str
) -> tuple[str, ...]:
    found = []
    if best:
        reached = percent(_mean(average[best]))
        found.append(f"Highest average of one model made without labels: {title_of(best)} with {reached}.")
    for experts in filter(None, map(average.get, methods.of_role(Role.UPPER))):
        found.append(f"The experts reach {100 * experts.mean:.1f} %, one model a task.")
    missing = [one for one in cells if one not in finished(cells) and one.error]
    for name in dict.fromkeys(one.cell.method for one in missing):
        reason = next(one.error for one in missing if one.cell.method == name)
        found.append(f"{title_of(name)} has no result: {reason}")
    pair = ("adamerging", "task_arithmetic")
    if all(name in names for name in pair):
        left, right = (by_seed(at(cells, method=name)) for name in pair)
        fixed = next(iter(right.values()), None)
        gains = [value - fixed for value in left.values() if value is not None and fixed is not None]
        if gains:
            gain = 100 * sum(gains) / len(gains)
            found.append(f"AdaMerging is {abs(gain):.1f} points {'above' if gain >= 0 else 'below'} Task Arithmetic.")
    return tuple(found)


def published_tables(scope: Scope) -> tuple[Table, ...]:
    """The paper's accuracies of the suite's architecture; of ViT-B/32 where the suite's is none of the paper's."""
    known = published.tables()
    arch = published.architecture(scope.suite.entry.base.arch)
    arch = arch if arch in known["accuracy"] else "ViT-B/32"
    columns = [*known["tasks"], "Average"]
    where = source("tables 1 and 2").replace("ViT-B/32", arch)
    tables = [published_table(f"Published, {arch}", "Method", columns, known["accuracy"][arch], where)]
    averages = {name: [value] for name, value in known["average_accuracy"][arch].items()}
    tables.append(published_table(f"Published averages, {arch}", "Method", ["Average"], averages, where))
    return tuple(tables)


def _mean(value: Estimate | None) -> float:
    return value.mean if value is not None else float("-inf")
