"""The tab that puts runs side by side: table, bars, radar, accuracy against seconds."""

from __future__ import annotations

from dashboard.compare.service import Comparison
from dashboard.context import Context
from dashboard.pages import Calls, Page


def _functions(ctx: Context) -> tuple[Calls, Calls]:
    found = Comparison(ctx)
    shown = {"compare": found.answer, "compare_figures": found.figures, "compare_text": found.text}
    return shown, {"compare_start": found.start_missing}


PAGE = Page(
    "Compare",
    "compare",
    "window.mergescopeCompare(element.querySelector('.mc'), server);",
    _functions,
    scripts=("analysis.js", "compare_missing.js", "compare.js"),
    styles=("analysis.css", "compare.css"),
)
