"""Plain functions as server functions of a component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from dashboard import ui


def serving(
    name: str, call: Callable[[dict[str, Any], Any], dict[str, Any]], check: Callable[[Any], None] | None = None
) -> Callable[..., Any]:
    """The server function `name`: `check(request)` refuses the caller first, then `call(args, request)` answers.

    `args` is always a dictionary there, but its content is untrusted; errors of the engine become `{"error": text}`.
    """

    def answer(args: Any, request: gr.Request) -> dict[str, Any]:
        if check is not None:
            check(request)
        return call(args if isinstance(args, dict) else {}, request)

    answer.__name__ = name
    return ui.answered(answer)
