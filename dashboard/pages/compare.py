"""The tab that puts runs side by side: table, bars, radar, accuracy against seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from dashboard import ui
from dashboard.charts import bundle
from dashboard.compare.service import Comparison
from dashboard.context import Context, Shell

TITLE = "Compare"
TAB_ID = "compare"
SCRIPTS = ("analysis.js", "compare.js")
STYLES = ("analysis.css", "compare.css")


def build(ctx: Context) -> Any:
    """One component; starting the missing methods exists on the owner's page only."""
    comparison = Comparison(ctx)
    functions = [_answering(name, call) for name, call in (
        ("compare", comparison.answer), ("compare_figures", comparison.figures), ("compare_text", comparison.text)
    )]  # fmt: skip
    if not ctx.readonly:
        functions.append(_answering("compare_start", comparison.start_missing, ctx.owner))
    return ui.drawn(
        '<div class="mc"></div>',
        "window.mergescopeCompare(element.querySelector('.mc'), server);",
        elem_id="ms-compare",
        server_functions=functions,
        head=bundle.head(),
    )


def wire(handles: Any, ctx: Context, shell: Shell) -> None:
    """Nothing to connect: the component follows the current run and the list of runs by itself."""


def _answering(
    name: str, call: Callable[[Any, Any], dict[str, Any]], check: Callable[[Any], None] | None = None
) -> Callable[..., Any]:
    """A server function called `name`; `check` refuses the caller before anything else."""

    def answer(args: Any, request: gr.Request) -> dict[str, Any]:
        if check is not None:
            check(request)
        return call(args if isinstance(args, dict) else {}, request)

    answer.__name__ = name
    return ui.answered(answer)
