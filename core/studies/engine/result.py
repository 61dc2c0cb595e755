"""What a study found: tables and charts as plain data, measured and published apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from core.export.results import winners
from core.statistics import Estimate

Unit = Literal["percent", "points", "number", "count", "seconds"]
Kind = Literal["lines", "bars", "points"]


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
