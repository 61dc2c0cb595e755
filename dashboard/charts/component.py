"""The Gradio side of the charts: a fixed element, the scripts, and the functions that the scripts may call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import gradio as gr

from dashboard import ui
from dashboard.charts import bundle

View = Literal["live", "layers"]


def charts(view: View, functions: Sequence[Callable[..., Any]], *, elem_id: str) -> gr.HTML:
    """One view of the current run; all views of a page share one poller, see js/start.js.

    `functions` are server functions of one argument; their names are what js/ calls.
    """
    return ui.drawn(
        '<div class="mc"><div class="mc-state"></div></div>',
        f"window.mergescope.charts.mount(element, '{view}', server);",
        elem_id=elem_id,
        server_functions=functions,
        head=bundle.head(),
    )
