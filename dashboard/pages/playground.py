"""The tab to try models on single pictures, and to see what a run gets wrong.

A person's own picture is accepted on the owner's page only; whoever looks through a link clicks test images.
"""

from __future__ import annotations

from dashboard.context import Context
from dashboard.pages import Calls, Page
from dashboard.playground.service import Playground


def _functions(ctx: Context) -> tuple[Calls, Calls]:
    models = Playground(ctx)
    shown = {"samples": models.samples, "classify": models.classify, "confusion": models.confusion}
    return shown, {"classify_picture": models.classify_picture}


PAGE = Page(
    "Playground",
    "playground",
    "window.mergescopePlayground(element.querySelector('.mc'), server);",
    _functions,
    scripts=("analysis.js", "playground.js", "sketchpad.js"),
    styles=("analysis.css", "playground.css"),
)
