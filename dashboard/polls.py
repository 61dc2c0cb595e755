"""What every open page asks for again and again: a route of its own, and one answer for all who ask the same.

Gradio's route for server functions costs about three milliseconds of the processor a call, nearly all of it outside
the function, in the process in which the run goes on. Here a call costs a tenth of that while its answer is fresh.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from core.store import Store
from dashboard.access import Viewer
from dashboard.context import Context
from dashboard.serving import Call, answer

ROUTE = "/poll"
FRESH_SECONDS = 0.25
"""Twenty viewers cost a few looks into the store a second; nobody sees a step later than that."""
_REMEMBERED = 64
_LONGEST_QUESTION = 1024

Question = tuple[Viewer, str, bytes]
"""Who asks, whom, and for what: an answer depends on nothing else, so nobody is given what another may see."""


def add_polls(app: FastAPI, ctx: Context, prefix: str, calls: Mapping[str, Call]) -> None:
    """`POST {prefix}/poll/<name>` with the argument as JSON; rights are those that `ctx` gives."""
    fresh = Fresh(ctx.store)
    for name, call in calls.items():
        app.add_route(f"{prefix}{ROUTE}/{name}", _endpoint(ctx, fresh, name, call), methods=["POST"])


class Fresh:
    """Answers of the last moment; anything written to the store but a step makes them stale at once."""

    def __init__(self, store: Store, seconds: float = FRESH_SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self._answers: OrderedDict[Question, tuple[float, int, bytes]] = OrderedDict()

    def get(self, question: Question) -> bytes | None:
        """The answer, where one is fresh."""
        made, changes, answer = self._answers.get(question, (float("-inf"), 0, b""))
        return answer if time.monotonic() - made < self._seconds and changes == self._store.changes else None

    def put(self, question: Question, answer: bytes, changes: int) -> None:
        """Keep an answer for a moment; `changes` is the store's count before it was made."""
        if len(question[2]) > _LONGEST_QUESTION:
            return
        self._answers[question] = time.monotonic(), changes, answer
        self._answers.move_to_end(question)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


def _endpoint(ctx: Context, fresh: Fresh, name: str, call: Call) -> Callable[[Request], Any]:
    async def poll(request: Request) -> Response:
        try:
            question = ctx.access.viewer(request), name, await request.body()
        except ClientDisconnect:  # also what the gate says of a body over its cap
            return Response(status_code=400)
        known = fresh.get(question)
        if known is None:
            changes = ctx.store.changes
            known = await run_in_threadpool(_answer, call, question[2], request)
            fresh.put(question, known, changes)
        return Response(known, media_type="application/json")

    return poll


def _answer(call: Call, body: bytes, request: Request) -> bytes:
    try:
        args = orjson.loads(body)  # It refuses what is nested too deeply, where `json` recurses.
    except ValueError:
        args = None
    return orjson.dumps(answer(call, args, request))
