"""λ of the methods that take one λ for everything."""

from __future__ import annotations

from collections.abc import Sequence

from core.studies import Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, at, over_seeds, places
from core.studies.engine.result import Chart, Result, Series

VALUES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Task Arithmetic sweeps 0…1; AdaMerging's figure 1 does the same."""


class Scale(Study):
    """Accuracy of Task Arithmetic and TIES against their one λ (AdaMerging, figure 1)."""

    title = "One λ for all tasks"
    question = "How much does the accuracy of Task Arithmetic depend on its single λ?"
    paper = "AdaMerging, figure 1"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Every chosen method with the setting `scale`, at each value."""
        return scope.sweep(("task_arithmetic", "ties"), scale=scope.thinned(VALUES))

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """A line per method; a table with every task."""
        tables, series, findings = [], [], []
        for (name,) in places(cells, "method"):
            values = [value for (value,) in places((c for c in cells if c.cell.method == name), "scale")]
            found = {value: at(cells, method=name, scale=value) for value in values}
            averages = {value: over_seeds(one) for value, one in found.items()}
            series.append(Series(title_of(name), tuple(values), tuple(averages.values())))
            rows = [(f"{value:g}", one) for value, one in found.items()]
            tables.append(scope.accuracy_table(f"{title_of(name)}, accuracy by λ", "λ", rows))
            known = [(one.mean, value) for value, one in averages.items() if one is not None]
            if known:
                peak, best = max(known, key=lambda pair: pair[0])
                findings.append(f"{title_of(name)} is best at λ = {best:g} with {100 * peak:.1f} %.")
        chart = Chart("Average accuracy by λ", "lines", "λ", "average accuracy", tuple(series))
        return Result(tuple(tables), (chart,), tuple(findings), published.of_study(self.name))
