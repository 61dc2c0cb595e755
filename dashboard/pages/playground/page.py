"""The tab to try models on single pictures, and to see what a run gets wrong.

A person's own picture is accepted on the owner's page only; whoever looks through a link clicks test images.
"""

from __future__ import annotations

from dashboard.pages.page import Page
from dashboard.pages.playground.service import Playground

PAGE = Page(
    "Playground",
    "playground",
    (Playground,),
    styles=("analysis.css", "playground.css"),
)
