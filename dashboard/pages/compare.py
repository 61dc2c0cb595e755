"""The tab that puts runs side by side: table, bars, radar, accuracy against seconds."""

from __future__ import annotations

from typing import Any

from dashboard import ui
from dashboard.charts import bundle
from dashboard.compare.service import Comparison
from dashboard.context import Context
from dashboard.serving import serving

TITLE = "Compare"
TAB_ID = "compare"
SCRIPTS = ("analysis.js", "compare_missing.js", "compare.js")
STYLES = ("analysis.css", "compare.css")


def build(ctx: Context) -> Any:
    """One component; starting the missing methods exists on the owner's page only."""
    comparison = Comparison(ctx)
    functions = [
        serving("compare", comparison.answer),
        serving("compare_figures", comparison.figures),
        serving("compare_text", comparison.text),
    ]
    if not ctx.readonly:
        functions.append(serving("compare_start", comparison.start_missing, ctx.owner))
    return ui.drawn(
        '<div class="mc"></div>',
        "window.mergescopeCompare(element.querySelector('.mc'), server);",
        elem_id="ms-compare",
        server_functions=functions,
        head=bundle.head(),
    )
