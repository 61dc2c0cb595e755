"""The tab for questions that take many runs, and the guide to the methods."""

from __future__ import annotations

from typing import Any

from dashboard import ui
from dashboard.charts import bundle
from dashboard.context import Context
from dashboard.serving import serving
from dashboard.studies.guide import Guide
from dashboard.studies.service import StudyDesk

TITLE = "Studies"
TAB_ID = "studies"
SCRIPTS = ("analysis.js", "studies.js", "guide.js")
STYLES = ("analysis.css", "compare.css", "studies.css")


def build(ctx: Context) -> Any:
    """One component; starting and cancelling exist on the owner's page only."""
    desk, guide = StudyDesk(ctx), Guide(ctx)
    functions = [
        serving("studies", desk.listing),
        serving("study_result", desk.result),
        serving("study_text", desk.text),
        serving("method_guide", guide.answer),
    ]
    if not ctx.readonly:
        functions += [
            serving("study_estimate", desk.estimate, ctx.owner),
            serving("study_start", desk.start, ctx.owner),
            serving("study_cancel", desk.cancel, ctx.owner),
        ]
    return ui.drawn(
        '<div class="mc"></div>',
        "window.mergescopeStudies(element.querySelector('.mc'), server);",
        elem_id="ms-studies",
        server_functions=functions,
        head=bundle.head(),
    )
