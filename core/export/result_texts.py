"""The table of results as CSV, LaTeX, JSON and tab-separated text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from core.export import render
from core.export.numbers import hundredths
from core.export.render import Best, Grid
from core.export.results import ResultRow, Results

if TYPE_CHECKING:
    from pandas import DataFrame

FORMATS = ("csv", "tex", "json", "tsv")


def text(table: Results, rows: Sequence[ResultRow], kind: str) -> str:
    """The rows in one of `FORMATS`; people read per cent, programs fractions at full precision."""
    if kind == "csv":
        return render.csv(frame(table, rows))
    if kind == "tex":
        return render.latex(grid(table, rows)) + "\n"
    if kind == "tsv":
        return render.tsv(_pasted(table, rows))
    tasks = [{"name": name, "title": title} for name, title in zip(table.tasks, table.titles, strict=True)]
    content = {"suite": table.suite, "tasks": tasks, "rows": [asdict(row) for row in rows]}
    return json.dumps(content, ensure_ascii=False, indent=1)


def frame(table: Results, rows: Sequence[ResultRow]) -> DataFrame:
    """All that is known, a line per row: each accuracy with both ends of its interval, the averages, and the facts."""
    from pandas import DataFrame

    tasks = [part for task in table.tasks for part in (task, f"{task} low", f"{task} high")]
    facts = ["average", "normalised", "adapted on", "samples", "steps", "seconds", "peak MB", "needs", "result"]
    facts += ["differs", "run", "kind", "parent", "changes", "agreement", "kl", "kept step", "verdict"]
    lines = [
        [row.name, row.method, *(value for cell in row.cells for value in (cell.accuracy, cell.low, cell.high)),
         row.average, row.normalised, row.adapted_on, row.samples, row.steps, row.seconds, row.memory, row.needs,
         row.result, row.differs, row.id, row.kind, row.parent, row.changes, row.agreement, row.kl, row.kept_step,
         row.verdict]
        for row in rows
    ]  # fmt: skip
    return DataFrame(lines, columns=["name", "method", *tasks, *facts], dtype=object)


def grid(table: Results, rows: Sequence[ResultRow]) -> Grid:
    """Per cent by task and on average, one block for each run of rows that stand for the same."""
    blocks: list[list[list[str]]] = []
    before = None
    for row in rows:
        if row.group != before:
            blocks.append([])
            before = row.group
        cells = [_marked(cell.text, cell.best) for cell in row.cells]
        blocks[-1].append([row.label, *cells, _marked(hundredths(row.average), row.best)])
    return Grid(["Method", *table.titles, Best("Avg.")], blocks or [[]])


def _pasted(table: Results, rows: Sequence[ResultRow]) -> Grid:
    lines = [
        [row.label, *map(_bare, (*(cell.accuracy for cell in row.cells), row.average)),
         "" if row.seconds is None else f"{row.seconds:.1f}", row.adapted_on, row.result]
        for row in rows
    ]  # fmt: skip
    return Grid(["Run", *table.titles, "Average", "Seconds", "Learned on", "Result"], [lines])


def _marked(text: str, best: bool) -> str:
    return Best(text) if best else text


def _bare(value: float | None) -> str:
    return "" if value is None else hundredths(value)
