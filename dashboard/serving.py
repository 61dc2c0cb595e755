"""What a page asks the server: plain functions of an untrusted argument and the request that brought it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.errors import MergescopeError
from core.runs.threads import leave_openmp

Call = Callable[[dict[str, Any], Any], dict[str, Any]]
"""Gets a dictionary with untrusted content, and the request, from which `Context` knows who asks."""


def answer(call: Call, args: Any, request: Any) -> dict[str, Any]:
    """What `call` says; named errors become `{"error": text}`. What takes long is done by other threads."""
    leave_openmp()
    try:
        return call(args if isinstance(args, dict) else {}, request)
    except MergescopeError as error:
        return {"error": str(error)}


def serving(name: str, call: Call, check: Callable[[Any], None] | None = None) -> Callable[..., Any]:
    """The server function `name` of a component: `check(request)` refuses the caller first, then `call` answers."""

    def checked(args: dict[str, Any], request: Any) -> dict[str, Any]:
        if check is not None:
            check(request)
        return call(args, request)

    def serve(args: Any, request: gr.Request) -> dict[str, Any]:  # Gradio finds the request by this annotation.
        return answer(checked, args, request)

    serve.__name__ = name
    return serve
