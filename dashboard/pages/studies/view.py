"""Results and states of studies as the page shows them; pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.export.render import Best
from core.progress import Standing
from core.store import RunRecord, StudyRecord
from core.studies.engine.result import Result, Table
from core.studies.engine.result import grid as grid_of
from dashboard.charts.figure import in_both_widths
from dashboard.pages.studies.figures import draw


def result(found: Result) -> dict[str, Any]:
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


def table(one: Table) -> dict[str, Any]:
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


def state(record: StudyRecord, runs: Mapping[str, RunRecord], standing: Standing | None) -> dict[str, Any]:
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
