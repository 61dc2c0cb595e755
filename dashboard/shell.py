"""The frame around the pages: which tab is open, between the browser and Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

# Asks again: while a page is being built Gradio may not listen yet.
_BRING = """
const ms = window.mergescope;
let asking = null;
function bring(tries) {
  clearTimeout(asking);
  if (ms.shows(ms.tab) || tries > 100) return;
  trigger('goto', {tab: ms.tab});
  asking = setTimeout(() => bring(tries + 1), 200);
}
ms.on('tab', () => bring(0));
bring(0);
"""


def connect(tabs: gr.Tabs, pages: Mapping[str, gr.Tab]) -> None:
    """Let `window.mergescope` and Gradio follow each other; `pages` are the tabs by id. Call inside `gr.Blocks`."""
    options: dict[str, Any] = {"api_visibility": "private", "queue": False}
    for tab_id, tab in pages.items():
        tab.select(None, js=f"() => window.mergescope.follow('{tab_id}')", **options)
    bus = gr.HTML(
        "", html_template="<span></span>", js_on_load=_BRING, elem_classes="ms-hidden", apply_default_css=False
    )
    selected = "() => ({__type__: 'update', selected: window.mergescope.tab})"
    bus.goto(None, outputs=[tabs], js=selected, **options)
