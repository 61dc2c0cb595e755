"""The table as CSV, LaTeX, JSON and tab-separated text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict

from core.export.texts import latex, safe
from dashboard.compare.table import Cell, Row, Table

FORMATS = ("csv", "tex", "json", "tsv")


def text(table: Table, rows: Sequence[Row], kind: str) -> str:
    """The rows in one of `FORMATS`."""
    return {"csv": as_csv, "tex": as_latex, "json": as_json, "tsv": as_tsv}[kind](table, rows)


def as_csv(table: Table, rows: Sequence[Row]) -> str:
    """Numbers as fractions at full precision, with both ends of each interval; text that a spreadsheet would
    take for a formula is quoted, numbers never are."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = [part for task in table.tasks for part in (task, f"{task} low", f"{task} high")]
    facts = ["average", "normalised", "adapted on", "samples", "steps", "seconds", "peak MB", "needs", "result"]
    facts += ["differs", "run", "kind", "parent", "changes"]
    writer.writerow([safe(name) for name in ["name", "method", *columns, *facts]])
    for row in rows:
        cells = [_blank(value) for cell in row.cells for value in (cell.accuracy, cell.low, cell.high)]
        numbers = [_blank(value) for value in (row.samples, row.steps, row.seconds, row.memory)]
        averages = [_blank(row.average), _blank(row.normalised), safe(row.adapted_on)]
        told = [safe(part) for part in (row.needs, _result(row), row.differs, row.id)]
        edited = [safe(row.parent), safe(row.changes)]
        writer.writerow([safe(row.name), safe(row.method), *cells, *averages, *numbers, *told, row.kind, *edited])
    return buffer.getvalue()


def as_tsv(table: Table, rows: Sequence[Row]) -> str:
    """What the page shows, in per cent, for pasting into a document or a spreadsheet."""
    lines = [["Run", *table.titles, "Average", "Seconds", "Learned on", "Result"]]
    for row in rows:
        cells = [_percent(cell.accuracy) for cell in row.cells]
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        lines.append([row.label, *cells, _percent(row.average), seconds, row.adapted_on, _result(row)])
    return "\n".join("\t".join(safe(" ".join(part.split())) for part in line) for line in lines)


def as_latex(table: Table, rows: Sequence[Row]) -> str:
    """A booktabs table in per cent, the best in bold."""
    columns = "l" + "r" * (len(table.tasks) + 1)
    head = " & ".join(["Method", *map(latex, table.titles), r"\textbf{Avg.}"])
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rf"{head} \\", r"\midrule"]
    before = rows[0].group if rows else ""
    for row in rows:
        if row.group != before:
            lines.append(r"\midrule")
        before = row.group
        cells = [_latex_cell(cell) for cell in row.cells]
        average = _latex_cell(Cell(row.average, best=row.best))
        lines.append(rf"{' & '.join([latex(row.label), *cells, average])} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def as_json(table: Table, rows: Sequence[Row]) -> str:
    """Everything that is known of the rows."""
    tasks = [{"name": name, "title": title} for name, title in zip(table.tasks, table.titles, strict=True)]
    content = {"suite": table.suite, "tasks": tasks, "rows": [asdict(row) for row in rows]}
    return json.dumps(content, ensure_ascii=False, indent=1)


def _result(row: Row) -> str:
    """What a run's result consists of; empty for rows that are no run."""
    if row.kind != "run":
        return ""
    return f"{row.note or 'one model'}{f', λ of {row.parent} changed by hand' if row.parent else ''}"


def _latex_cell(cell: Cell) -> str:
    if cell.accuracy is None:
        return "--"
    return rf"\textbf{{{100 * cell.accuracy:.1f}}}" if cell.best else f"{100 * cell.accuracy:.1f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _blank(value: float | None) -> float | str:
    return "" if value is None else value
