"""Spoilt test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.export.numbers import percent
from core.statistics import Estimate, mean_of
from core.studies import Cell, Scope, Study, title_of
from core.studies.engine.done import Done, at, over_seeds, places
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table

KINDS = ("motion_blur", "impulse_noise", "gaussian_noise", "pixelate", "spatter", "contrast", "jpeg_compression")
"""The corruptions of AdaMerging's robustness tables (section 4.4)."""
SEVERITIES = (1, 2, 3, 4, 5)
CLEAN = "clean"


class Corruptions(Study):
    """Accuracy under ImageNet-C's corruptions at five severities (AdaMerging, robustness).

    λ is learned on the corrupted test images, as in the paper: that is what a model in use would see.
    """

    title = "Corrupted images"
    question = (
        "How much accuracy is lost on blurred, noisy or compressed images, and does learning λ on such images help?"
    )
    paper = "AdaMerging, robustness tables; constants of Hendrycks and Dietterich (ICLR 2019)"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Clean, then every kind at every severity."""
        places_: list[tuple[str, int]] = [(CLEAN, 0)]
        places_ += [(kind, severity) for kind in scope.thinned(KINDS) for severity in scope.thinned(SEVERITIES)]
        cells = []
        for kind, severity in places_:
            where: dict[str, Any] = {"corruption": kind, "severity": severity}
            images = None if kind == CLEAN else where | {"seed": 0}
            for name in scope.methods(("task_arithmetic", "adamerging")):
                cells += [scope.cell(name, where, seed=seed, images=images) for seed in scope.seeds_of(name)]
        return cells

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """A table kinds × severities for each method; lines over severity, bars over kinds."""
        names = [name for (name,) in places(cells, "method")]
        kinds = [kind for (kind,) in places(cells, "corruption") if kind != CLEAN]
        severities = sorted({one.cell.where["severity"] for one in cells} - {0})

        def value(name: str, kind: str, severity: int) -> Estimate | None:
            return over_seeds(at(cells, method=name, corruption=kind, severity=severity))

        tables, lines, bars, findings = [], [], [], []
        for name in names:
            clean = value(name, CLEAN, 0)
            grid = {kind: [value(name, kind, severity) for severity in severities] for kind in kinds}
            rows = [Row("clean", tuple(clean for _ in severities))]
            rows += [Row(_words(kind), tuple(values)) for kind, values in grid.items()]
            over_kinds = tuple(mean_of([values[place] for values in grid.values()]) for place in range(len(severities)))
            rows.append(Row("mean of the corruptions", over_kinds))
            columns = tuple(Column(f"severity {severity}", marks="nothing") for severity in severities)
            tables.append(Table(f"{title_of(name)}, average accuracy", "Images", columns, tuple(rows)))
            lines.append(Series(title_of(name), (0.0, *map(float, severities)), (clean, *over_kinds)))
            by_kind = (clean, *(mean_of(values) for values in grid.values()))
            bars.append(Series(title_of(name), ("clean", *map(_words, kinds)), by_kind))
            if clean is not None and (spoilt := mean_of(over_kinds)) is not None:
                findings.append(f"{title_of(name)}: {percent(clean.mean)} on clean images, {percent(spoilt.mean)} on "
                                "corrupted ones.")  # fmt: skip
        charts = (
            Chart("Mean over the corruptions, by severity (0: clean)", "lines", "severity", "average accuracy",
                  tuple(lines)),
            Chart("Mean over the severities, by corruption", "bars", "", "average accuracy", tuple(bars)),
        )  # fmt: skip
        return Result(tuple(tables), charts, tuple(findings))


def _words(kind: str) -> str:
    return kind.replace("_", " ")
