"""How much is chance."""

from __future__ import annotations

from collections.abc import Sequence

from core import methods
from core.statistics import Estimate, paired
from core.studies import Cell, Scope, Study, title_of
from core.studies.engine.done import Done, at, by_seed, over_seeds, places
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table

REFERENCE = "adamerging"


class Seeds(Study):
    """Every method that the seed changes, with five seeds: means, intervals, paired differences to AdaMerging."""

    title = "Seeds and intervals"
    question = "How much of the difference between methods is just the luck of the seed?"
    seeds = (0, 1, 2, 3, 4)

    def plan(self, scope: Scope) -> list[Cell]:
        """Every random method with every seed; seed by seed, so that an early end still compares."""
        own = [name for name in methods.names() if methods.get(name).random]
        chosen = sorted(scope.methods(own), key=lambda name: (name != REFERENCE, name))
        return [scope.cell(name, {}, seed=seed) for seed in scope.seeds for name in chosen]

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """Mean, spread and paired difference."""
        names = [name for (name,) in places(cells, "method") if at(cells, method=name)]
        found = {name: at(cells, method=name) for name in names}
        average = {name: over_seeds(found[name]) for name in names}
        reference = by_seed(found.get(REFERENCE, ()))
        rows, findings = [], []
        for name in names:
            values = [value for one in found[name] if (value := one.accuracy()) is not None]
            spread = Estimate(max(values) - min(values)) if values else None
            gap = paired(by_seed(found[name]), reference) if name != REFERENCE else None
            numbers, contest = (average[name], spread, gap), found[name][0].contest
            rows.append(Row(title_of(name), numbers, f"{len(values)} seeds", contest))
            if gap is not None and gap.low is not None and gap.high is not None:
                clear = "clear of chance" if gap.low > 0 or gap.high < 0 else "within chance"
                bounds = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
                findings.append(f"{title_of(name)} against {title_of(REFERENCE)}: {100 * gap.mean:+.1f} points "
                                f"({bounds}), {clear}.")  # fmt: skip
        if not findings:
            findings = [f"{len(found)} methods, {len(scope.seeds)} seeds."]
        columns = (Column("Average"), Column("Highest − lowest", "points"), Column("Paired difference", "points"))
        tables = (
            Table(f"Average accuracy over seeds (difference to {title_of(REFERENCE)})", "Method", columns, tuple(rows)),
            scope.accuracy_table("Accuracy by task", "Method", [(title_of(name), found[name]) for name in names]),
        )
        bars = Series("average", tuple(map(title_of, names)), tuple(average[name] for name in names))
        chart = Chart("Average accuracy with its 95 % interval", "bars", "", "average accuracy", (bars,))
        return Result(tables, (chart,), tuple(findings))
