"""A result as CSV, LaTeX, JSON and plain text; pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.export import render
from core.export.render import Best, Grid
from core.statistics import Estimate
from core.studies.engine.result import Result, Table, Unit

DIGITS: dict[Unit, int] = {"percent": 1, "points": 1, "number": 2, "count": 0, "seconds": 1}


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
