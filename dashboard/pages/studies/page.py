"""The tab for questions that take many runs, and the guide to the methods."""

from __future__ import annotations

from dashboard.pages.page import Page
from dashboard.pages.studies.guide import Guide
from dashboard.pages.studies.service import StudyDesk

PAGE = Page(
    "Studies",
    "studies",
    (StudyDesk, Guide),
    styles=("analysis.css", "compare.css", "studies.css"),
)
