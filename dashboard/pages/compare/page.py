"""The tab that puts runs side by side: table, bars, radar, accuracy against seconds."""

from __future__ import annotations

from dashboard.pages.compare.service import Comparison
from dashboard.pages.page import Page

PAGE = Page(
    "Compare",
    "compare",
    (Comparison,),
    styles=("analysis.css", "compare.css"),
)
