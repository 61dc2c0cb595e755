"""The tab to try models on single pictures, and to see what a run gets wrong.

A person's own picture is accepted on the owner's page only; whoever looks through a link clicks test images.
"""

from __future__ import annotations

from typing import Any

from dashboard import ui
from dashboard.charts import bundle
from dashboard.context import Context
from dashboard.playground.service import Playground
from dashboard.serving import serving

TITLE = "Playground"
TAB_ID = "playground"
SCRIPTS = ("analysis.js", "playground.js", "sketchpad.js")
STYLES = ("analysis.css", "playground.css")


def build(ctx: Context) -> Any:
    """One component; `classify_picture` exists on the owner's page only."""
    playground = Playground(ctx)
    functions = [
        serving("samples", playground.samples),
        serving("classify", playground.classify),
        serving("confusion", playground.confusion),
    ]
    if not ctx.readonly:
        functions.append(serving("classify_picture", playground.classify_picture, ctx.owner))
    return ui.drawn(
        '<div class="mc"></div>',
        "window.mergescopePlayground(element.querySelector('.mc'), server);",
        elem_id="ms-playground",
        server_functions=functions,
        head=bundle.head(),
    )
