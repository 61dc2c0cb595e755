"""How many unlabelled images AdaMerging needs."""

from __future__ import annotations

from collections.abc import Sequence

from core.statistics import Estimate, paired
from core.studies import LEARNED, Cell, Scope, Study, published, source, title_of
from core.studies.engine.done import Done, at, by_seed, over_seeds, places
from core.studies.engine.result import Chart, Result, Series, published_table
from core.studies.engine.texts import signed

FRACTIONS = (0.001, 0.01, 0.05, 1.0)


class DataFraction(Study):
    """Learning λ from a part of the images (AdaMerging, table 5)."""

    name = "data_fraction"
    title = "Share of the images"
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
                    findings.append(f"{title_of(name)} with {words(share)}: {signed(loss)} points against all images.")
        told = published.tables()["data_fraction_B32"]
        for name, values in told.items():
            shares = [float(label.rstrip("%")) / 100 for label in values]
            y = tuple(Estimate(value / 100) for value in values.values())
            series.append(Series(f"{name}, published", tuple(shares), y, published=True))
        chart = Chart("Average accuracy by share of images", "lines", "share of images", "average accuracy",
                      tuple(series), log_x=True)  # fmt: skip
        columns = list(next(iter(told.values())))
        lines = {name: list(values.values()) for name, values in told.items()}
        paper = published_table("Published average", "Method", columns, lines, source("table 5"))
        table = scope.accuracy_table("Accuracy by share of images", "Method, images", rows)
        return Result((table,), (chart,), tuple(findings), (paper,))


def words(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:g} % of the images" if share < 1 else "all images"
