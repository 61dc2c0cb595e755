"""The tab for questions that take many runs, and the guide to the methods."""

from __future__ import annotations

from dashboard.context import Context
from dashboard.pages import Calls, Page
from dashboard.studies.guide import Guide
from dashboard.studies.service import StudyDesk


def _functions(ctx: Context) -> tuple[Calls, Calls]:
    desk = StudyDesk(ctx)
    shown = {"studies": desk.listing, "study_result": desk.result, "study_text": desk.text}
    owners = {"study_estimate": desk.estimate, "study_start": desk.start, "study_cancel": desk.cancel}
    return shown | {"method_guide": Guide(ctx).answer}, owners


PAGE = Page(
    "Studies",
    "studies",
    "window.mergescopeStudies(element.querySelector('.mc'), server);",
    _functions,
    scripts=("analysis.js", "studies.js", "guide.js"),
    styles=("analysis.css", "compare.css", "studies.css"),
)
