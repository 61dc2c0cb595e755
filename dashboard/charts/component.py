"""The Gradio side of the charts: a fixed element, the scripts, and the functions that the scripts may call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import gradio as gr

from dashboard.charts import bundle

View = Literal["live", "layers"]


class Charts(gr.HTML):
    """One view of the current run. All views of a page share one poller, see js/start.js."""

    def __init__(self, view: View, functions: Sequence[Callable[..., Any]], *, elem_id: str) -> None:
        """`functions` are server functions of one argument; their names are what js/ calls."""
        super().__init__(
            "", html_template='<div class="mc"><div class="mc-state"></div></div>', apply_default_css=False,
            js_on_load=f"window.mergescope.charts.mount(element, {view!r}, server);", head=bundle.head(),
            server_functions=list(functions), elem_id=elem_id,
        )

    def api_info(self) -> dict[str, Any]:
        """It has no value of its own."""
        return {"type": "string"}
