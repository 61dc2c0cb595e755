"""Every answer that a test gets, in this process or from a server, is held against the shape its question declares."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_type_hints

import orjson
from fastapi import Request
from pydantic import TypeAdapter

from dashboard.context import Context
from dashboard.door import Answer, Question

_answer = Question.answer


@cache
def shape(method: Callable[..., Answer]) -> TypeAdapter[Any]:
    """That of a question's answers."""
    return TypeAdapter(get_type_hints(method)["return"])


def answer(question: Question, desk: object, ctx: Context, given: dict[str, Any], request: Request) -> Answer:
    """What the desk says; raises `ValidationError` where a browser would get something else than was declared."""
    found = _answer(question, desk, ctx, given, request)
    if set(found) != {"error"}:
        shape(question.method).validate_json(orjson.dumps(found), strict=True)
    return found


Question.answer = answer  # type: ignore[method-assign]
