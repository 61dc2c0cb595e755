"""What a study found: tables and charts as plain data, measured and published apart, and their texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from core.export import render
from core.export.render import Best, Grid
from core.export.results import winners
from core.statistics import Estimate

Unit = Literal["percent", "points", "number", "count", "seconds"]
Kind = Literal["lines", "bars", "points"]
DIGITS: dict[Unit, int] = {"percent": 1, "points": 1, "number": 2, "count": 0, "seconds": 1}


@dataclass(frozen=True)
class Column:
    """A column of numbers. `percent` and `points` hold fractions, as everywhere in Mergescope."""

    name: str
    unit: Unit = "percent"
    marks: Literal["highest", "lowest", "nothing"] = "highest"
    """Which of its numbers is shown as the best one, where they are per cent."""


@dataclass(frozen=True)
class Row:
    """A line of a table; None where nothing is known."""

    label: str
    values: tuple[Estimate | None, ...]
    note: str = ""
    contest: str = "rows"
    """Which other rows it can be better than (`core.export.results.contest`); empty: none."""


@dataclass(frozen=True)
class Table:
    """Rows × columns. With a `source` the numbers are a paper's and nothing here was measured."""

    title: str
    head: str
    """What the labels of the rows are."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    source: str = ""

    def best(self) -> list[list[bool]]:
        """Row by row, whether a number is the best of its column; a paper does not say what its rows were given."""
        contests = ["" if self.source else row.contest for row in self.rows]
        marks: list[list[bool]] = []
        for at, column in enumerate(self.columns):
            counts = column.unit == "percent" and column.marks != "nothing"
            values = [value.mean if counts and (value := row.values[at]) else None for row in self.rows]
            marks.append(winners(values, contests, lowest=column.marks == "lowest"))
        return [[column[place] for column in marks] for place in range(len(self.rows))]


@dataclass(frozen=True)
class Series:
    """One line, set of bars or set of points."""

    name: str
    x: tuple[float | str, ...]
    y: tuple[Estimate | None, ...]
    published: bool = False
    labels: tuple[str, ...] = ()
    """Names of the points, where they have names."""


@dataclass(frozen=True)
class Chart:
    """A figure without looks."""

    title: str
    kind: Kind
    x: str
    y: str
    series: tuple[Series, ...]
    unit: Unit = "percent"
    log_x: bool = False
    diagonal: bool = False
    """Whether the line x = y means something (perfect calibration)."""


@dataclass(frozen=True)
class Result:
    """Everything that is shown of a study."""

    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    findings: tuple[str, ...] = ()
    """One sentence each, computed from the numbers."""
    published: tuple[Table, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def shown(value: Estimate | None, unit: Unit) -> str:
    """A number as people read it: fractions in per cent, ± half the 95 % interval; a dash where nothing is known."""
    if value is None:
        return "–"
    factor, digits = (100 if unit in ("percent", "points") else 1), DIGITS[unit]
    text = f"{factor * value.mean:{'+' if unit == 'points' else ''}.{digits}f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} ± {factor * (value.high - value.low) / 2:.{digits}f}"


def signed(value: Estimate) -> str:
    """A difference of fractions in points inside a sentence, with its interval where it has one."""
    text = f"{100 * value.mean:+.1f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} ({100 * value.low:+.1f} to {100 * value.high:+.1f}, {value.n} seeds)"


def as_csv(result: Result) -> str:
    """All tables below each other, numbers as fractions at full precision with both ends of their interval."""
    from pandas import DataFrame

    heads = ["table", "origin", "row", "column", "unit", "mean", "low", "high", "n", "note"]
    lines = [
        [table.title, table.source or "measured", row.label, column.name, column.unit,
         value.mean, value.low, value.high, value.n, row.note]
        for table in (*result.tables, *result.published)
        for row in table.rows
        for column, value in zip(table.columns, row.values, strict=True)
        if value is not None
    ]  # fmt: skip
    return render.csv(DataFrame(lines, columns=heads, dtype=object))


def as_latex(result: Result) -> str:
    """One booktabs table for each of the result's; published ones say whose they are."""
    parts = ["% needs \\usepackage{booktabs}", *map(latex_table, (*result.tables, *result.published))]
    return "\n\n".join(parts) + "\n"


def latex_table(table: Table) -> str:
    """A tabular in per cent below a comment on where it comes from."""
    comment = f"% {table.title}" + (f"; published: {table.source}" if table.source else "; measured")
    return f"{' '.join(comment.split())}\n{render.latex(grid(table))}"


def as_json(result: Result, facts: Mapping[str, Any]) -> str:
    """Everything that the page shows, with `facts` about the study."""
    return json.dumps({**facts, **result.plain()}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def grid(table: Table) -> Grid:
    """Numbers as people read them, the best of each column marked."""
    rows: list[list[str]] = []
    for row, best in zip(table.rows, table.best(), strict=True):
        cells = [shown(value, column.unit) for value, column in zip(row.values, table.columns, strict=True)]
        rows.append([row.label, *(Best(cell) if mark else cell for cell, mark in zip(cells, best, strict=True))])
    return Grid([table.head, *(column.name for column in table.columns)], [rows])
