"""Small pieces of page that several pages use."""

from __future__ import annotations

import base64
import io
from typing import Any

import gradio as gr
from PIL.Image import Image


def duration(seconds: float | None) -> str:
    """Seconds in words, rounded as a person would."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def data_uri(picture: Image) -> str:
    """A picture as a PNG inside an address, which a page shows without asking for it."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def drawn(template: str, js: str, *, elem_id: str, **options: Any) -> gr.HTML:
    """A component with a fixed template (trusted HTML) that the browser fills by `js`.

    A function, no subclass of `gr.HTML`: of those Gradio writes a .pyi file beside the module.
    """
    return gr.HTML("", html_template=template, js_on_load=js, elem_id=elem_id, apply_default_css=False, **options)
