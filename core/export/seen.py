"""The table of results by another measure than accuracy."""

from __future__ import annotations

from dataclasses import replace

from core.export.reported import ACCURACY
from core.export.results import ResultRow, Results, Score, marked


def seen_by(table: Results, name: str) -> Results:
    """The table with the measure of that name in place of accuracy, the best marked by it; by accuracy where no run has
    it. Of the measures it only has this one; rows that are no run, and know only accuracy, are left out.
    """
    measure = next((one for one in table.measures if one.name == name), ACCURACY)
    if measure == ACCURACY:
        return replace(table, rows=tuple(map(_alone, table.rows)))
    rows = [_by(row, name) for row in table.rows if row.kind == "run"]
    return replace(table, measure=measure, rows=tuple(map(_alone, marked(rows, measure))))


def _by(row: ResultRow, name: str) -> ResultRow:
    cells = tuple(Score(cell.others.get(name)) for cell in row.cells)
    return replace(row, cells=cells, average=row.others.get(name), interval=None)


def _alone(row: ResultRow) -> ResultRow:
    return replace(row, cells=tuple(replace(cell, others={}) for cell in row.cells), others={})
