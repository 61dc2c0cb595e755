"""A result as CSV, LaTeX, JSON and plain text; pure functions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.export.texts import latex, safe
from core.statistics import Estimate
from core.studies.engine.result import Result, Table, Unit

DIGITS: dict[Unit, int] = {"percent": 1, "points": 1, "number": 2, "count": 0, "seconds": 1}


def shown(value: Estimate | None, unit: Unit, *, interval: bool = True) -> str:
    """A number as people read it: fractions in per cent, ± half the 95 % interval; a dash where nothing is known."""
    if value is None:
        return "–"
    factor, digits = (100 if unit in ("percent", "points") else 1), DIGITS[unit]
    text = f"{factor * value.mean:{'+' if unit == 'points' else ''}.{digits}f}"
    if not interval or value.low is None or value.high is None:
        return text
    return f"{text} ± {factor * (value.high - value.low) / 2:.{digits}f}"


def as_csv(result: Result) -> str:
    """All tables below each other, numbers as fractions at full precision with both ends of their interval."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["table", "origin", "row", "column", "unit", "mean", "low", "high", "n", "note"])
    for table in (*result.tables, *result.published):
        for row in table.rows:
            for column, value in zip(table.columns, row.values, strict=True):
                if value is None:
                    continue
                texts = [table.title, table.source or "measured", row.label, column.name, column.unit]
                bounds = ["" if bound is None else bound for bound in (value.low, value.high)]
                writer.writerow([*map(safe, texts), value.mean, *bounds, value.n, safe(row.note)])
    return buffer.getvalue()


def as_latex(result: Result) -> str:
    """One booktabs table for each of the result's; published ones say whose they are."""
    parts = ["% needs \\usepackage{booktabs}"]
    for table in (*result.tables, *result.published):
        parts.append(latex_table(table))
    return "\n\n".join(parts) + "\n"


def latex_table(table: Table) -> str:
    """A tabular in per cent; the best of each accuracy column in bold."""
    comment = f"% {table.title}" + (f"; published: {table.source}" if table.source else "; measured")
    head = " & ".join([latex(table.head), *(latex(column.name) for column in table.columns)])
    lines = [" ".join(comment.split()), rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    lines += [rf"{head} \\", r"\midrule"]
    for row, best in zip(table.rows, table.best(), strict=True):
        cells = [
            _latex_cell(value, column.unit, bold)
            for value, column, bold in zip(row.values, table.columns, best, strict=True)
        ]
        lines.append(rf"{' & '.join([latex(row.label), *cells])} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def as_json(result: Result, facts: Mapping[str, Any]) -> str:
    """Everything that the page shows, with `facts` about the study."""
    return json.dumps({**facts, **result.plain()}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def lines(table: Table, *, interval: bool = True) -> tuple[list[str], list[list[str]]]:
    """Heads and rows as text, for a terminal or a page."""
    heads = [table.head, *(column.name for column in table.columns)]
    rows: list[list[str]] = []
    for row in table.rows:
        pairs: Sequence[tuple[Estimate | None, Unit]] = [
            (value, column.unit) for value, column in zip(row.values, table.columns, strict=True)
        ]
        rows.append([row.label, *(shown(value, unit, interval=interval) for value, unit in pairs)])
    return heads, rows


def _latex_cell(value: Estimate | None, unit: Unit, bold: bool) -> str:
    if value is None:
        return "--"
    text = latex(shown(value, unit))
    return rf"\textbf{{{text}}}" if bold else text
