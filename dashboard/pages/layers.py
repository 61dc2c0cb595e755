"""The tab that looks into a run: any step, block or tensor, two runs against each other, and λ changed by hand."""

from __future__ import annotations

from typing import Any

from dashboard.charts.component import charts
from dashboard.charts.service import describing, listing
from dashboard.charts.workshop import facts, whatif
from dashboard.context import Context

TITLE = "Layers"
TAB_ID = "layers"


def build(ctx: Context) -> Any:
    """One component. The read-only app does not contain the functions of the what-if."""
    functions = [describing(ctx), listing(ctx), facts(ctx)]
    return charts("layers", functions if ctx.readonly else [*functions, *whatif(ctx)], elem_id="ms-layers")
