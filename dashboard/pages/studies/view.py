"""Results and states of studies as the page shows them; pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import TypedDict

from core.export.render import Best
from core.progress import Standing
from core.store import RunRecord, StudyRecord
from core.studies.engine.result import Result, Table
from core.studies.engine.result import grid as grid_of
from dashboard.charts.figure import Widths, in_both_widths
from dashboard.pages.studies.figures import draw


class Row(TypedDict):
    """A row of a table; which of its cells after the first are the best of their column."""

    cells: Sequence[str]
    note: str
    best: list[bool]


class Shown(TypedDict):
    """A table as text."""

    title: str
    source: str
    heads: Sequence[str]
    rows: list[Row]


class Chart(Widths):
    """A chart with its title."""

    title: str


class Shows(TypedDict):
    """What a study has found."""

    tables: list[Shown]
    published: list[Shown]
    charts: list[Chart]
    findings: list[str]


class State(TypedDict):
    """Where a study stands: its runs by number, the share that is done, seconds left."""

    id: str
    status: str
    total: int
    done: int
    share: float
    left: float | None
    doing: str
    quick: bool
    error: str
    failed: int


def result(found: Result) -> Shows:
    """Tables as text, charts as figures in both widths."""
    return {
        "tables": [table(one) for one in found.tables if one.rows],
        "published": [table(one) for one in found.published],
        "charts": [
            {"title": chart.title, **in_both_widths(draw, chart)}
            for chart in found.charts
            if any(value is not None for series in chart.series if not series.published for value in series.y)
        ],
        "findings": list(found.findings),
    }


def table(one: Table) -> Shown:
    """Heads, rows and which cell is the best of its column."""
    grid = grid_of(one)
    return {
        "title": one.title,
        "source": one.source,
        "heads": grid.heads,
        "rows": [
            {"cells": line, "note": row.note, "best": [isinstance(cell, Best) for cell in line[1:]]}
            for line, row in zip(grid.lines, one.rows, strict=True)
        ],
    }


def state(record: StudyRecord, runs: Mapping[str, RunRecord], standing: Standing | None) -> State:
    """Where a study stands. `runs` are by content key, which several cells can share; `share` counts begun ones too."""
    found = [runs[key] for cell in record.cells if (key := str(cell.get("key", ""))) in runs]
    whole = sum(run.status == "done" for run in found)
    parts = sum(
        min(0.99, run.steps_done / run.steps) for run in found if run.status in ("running", "paused") and run.steps
    )
    return {
        "id": record.id,
        "status": record.status,
        "total": len(record.cells),
        "done": whole,
        "share": (whole + parts) / max(1, len(record.cells)),
        "left": standing.left if standing is not None else None,
        "doing": standing.label if standing is not None else "",
        "quick": bool(record.options.get("quick")),
        "error": record.error or "",
        "failed": sum(run.status == "failed" for run in found),
    }
