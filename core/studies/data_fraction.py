"""How many unlabelled images AdaMerging needs."""

from __future__ import annotations

from collections.abc import Sequence

from core.statistics import paired
from core.studies import LEARNED, Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, at, by_seed, over_seeds, places
from core.studies.engine.result import Chart, Result, Series, signed

FRACTIONS = (0.001, 0.01, 0.05, 1.0)


class DataFraction(Study):
    """Learning λ from a part of the images (AdaMerging, table 5)."""

    title = "Fewer images"
    question = "How much accuracy is lost if λ is learned from 5 %, 1 % or 0.1 % of the unlabelled images?"
    paper = "AdaMerging, table 5"

    def plan(self, scope: Scope) -> list[Cell]:
        """Every learning method at each share, with every seed; at least one image per task."""
        return scope.sweep(LEARNED, fraction=reversed(scope.thinned(FRACTIONS)))

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """A line per method over the share, with the published line apart."""
        rows, series, findings = [], [], []
        for (name,) in places(cells, "method"):
            shares = sorted({one.cell.where["fraction"] for one in cells if one.cell.method == name})
            found = {share: at(cells, method=name, fraction=share) for share in shares}
            rows += [(f"{title_of(name)}, {words(share)}", one) for share, one in found.items()]
            averages = tuple(over_seeds(one) for one in found.values())
            series.append(Series(title_of(name), tuple(shares), averages))
            whole = by_seed(found.get(1.0, ()))
            for share in shares[:-1]:
                loss = paired(by_seed(found[share]), whole)
                if loss is not None:
                    findings.append(
                        f"{title_of(name)} with {words(share)}: {signed(loss)} points compared with all images."
                    )
        [paper] = published.of_study(self.name)
        told = tuple(float(column.name.rstrip("%")) / 100 for column in paper.columns)
        series += [Series(f"{row.label}, published", told, row.values, published=True) for row in paper.rows]
        chart = Chart("Average accuracy by share of images", "lines", "share of images", "average accuracy",
                      tuple(series), log_x=True)  # fmt: skip
        table = scope.accuracy_table("Accuracy by share of images", "Method, images", rows)
        return Result((table,), (chart,), tuple(findings), (paper,))


def words(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:g} % of the images" if share < 1 else "all images"
