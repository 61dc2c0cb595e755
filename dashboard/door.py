"""The one door: whatever a page asks the server is `POST {prefix}/ask/<name>`, with JSON in and JSON out.

A question is a method of a `Desk`; its name is the method's. Its mark says who may ask
it, and without a mark nobody can. Its parameters are what a browser may send, and their types what is accepted: a `Run`
arrives as the id of a run that the caller has to be allowed to see. Two names are special: `request` is the request
itself, `given` all that was sent, for those that check it themselves. What it returns is the shape of its answer, a
`TypedDict`; the tests hold every answer against it (`tests/dashboard/shapes.py`).

    class Sharing(Desk):
        @owners
        def share_rename(self, run: Run, name: Line = "") -> Done: ...
"""

from __future__ import annotations

import inspect
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar, get_type_hints

import orjson
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, create_model
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import TypedDict

from core.errors import MergescopeError
from core.progress import Standing
from core.runs.threads import leave_openmp
from core.runs.work import Work
from core.store import RunRecord, Store
from dashboard.access import Viewer
from dashboard.asked import checked
from dashboard.context import Context
from dashboard.paths import without_paths

ROUTE = "/ask"
FRESH_SECONDS = 0.25
"""Twenty viewers cost a few looks into the store a second; nobody sees a step later than that."""
ZIPPED = Middleware(GZipMiddleware, minimum_size=65_536, compresslevel=1)
"""The long answers come with the page, and pass a tunnel sooner so; polls stay plain, the processor is the run's."""
_REMEMBERED = 64
_LONGEST_QUESTION = 1024

Answer = Mapping[str, object]


class Desk:
    """Answers questions of pages, with the rights of one context."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx


Method = TypeVar("Method", bound=Callable[..., Answer])
T = TypeVar("T")
Asked = tuple[Viewer, str, bytes]
"""Who asks, which question, for what: an answer depends on nothing else, so nobody is given what another may see."""


def _run(given: object, info: ValidationInfo) -> RunRecord:
    return info.context(given)  # type: ignore[no-any-return,misc]


Run = Annotated[RunRecord, PlainValidator(_run)]
"""A run that the caller may see; for any other `NotVisible` is raised."""


class Done(TypedDict):
    """It was done."""

    ok: bool


class Failed(TypedDict):
    """What was wrong, in one line; any question may be answered so."""

    error: str


class Waiting(TypedDict):
    """Not measured yet."""

    pending: bool


class File(TypedDict):
    """A text to be saved under a name."""

    text: str
    name: str


class Pending(TypedDict):
    """It is being computed; ask again."""

    pending: Standing


_WAITING = Standing("Waiting until other measurements are done", 0, None, None)


def told(work: Work[T]) -> T | Pending | Failed:
    """The answer that somebody waits for; how far it is, or what went wrong, as pages show it."""
    if work.pending:
        return {"pending": work.progress.standing() or _WAITING}
    return work.value if work.ready else {"error": work.error}


@dataclass(frozen=True)
class Question:
    """One that pages ask."""

    method: Callable[..., Answer]
    owners: bool
    shared: bool = False
    """Asked again and again: equal questions of equal rights share an answer for `FRESH_SECONDS`."""

    @cached_property
    def file(self) -> bool:
        """Whether it is answered with a file, which is handed out as it was made."""
        return get_type_hints(self.method)["return"] is File

    @cached_property
    def parameters(self) -> list[inspect.Parameter]:
        """Those of the method, without `self`."""
        return list(inspect.signature(self.method).parameters.values())[1:]

    @cached_property
    def sent(self) -> type[BaseModel]:
        """What a browser may send; what is missing and has no default is checked as None."""
        hints, missing = get_type_hints(self.method, include_extras=True), Field(None, validate_default=True)
        fields: dict[str, Any] = {
            one.name: (hints[one.name], missing if one.default is one.empty else one.default)
            for one in self.parameters
            if one.name not in ("request", "given")
        }
        return create_model(self.method.__name__, __config__=ConfigDict(strict=True), **fields)

    def answer(self, desk: Desk, ctx: Context, given: dict[str, Any], request: Request) -> Answer:
        """What the desk says; named errors become `Failed`. What takes long is done by other threads."""
        leave_openmp()
        try:
            if self.owners:
                ctx.owner(request)
            sent = checked(self.sent, given, lambda run: ctx.run(run, request))
            known = {"request": request, "given": given} | dict(sent)
            answer = self.method(desk, **{one.name: known[one.name] for one in self.parameters})
        except MergescopeError as error:
            answer = Failed(error=str(error))
        failure = answer.get("error")
        return {**answer, "error": ctx.said(failure)} if isinstance(failure, str) else answer


QUESTIONS: dict[str, Question] = {}
"""All there are, by name."""


def everybodys(method: Method) -> Method:
    """A question of everybody who sees the page."""
    return _marked(method, Question(method, owners=False))


def polled(method: Method) -> Method:
    """The same, asked again and again by every open page."""
    return _marked(method, Question(method, owners=False, shared=True))


def owners(method: Method) -> Method:
    """A question of the owner's: it does not exist in the read-only view and is refused to everybody else."""
    return _marked(method, Question(method, owners=True))


def _marked(method: Method, question: Question) -> Method:
    if method.__name__ in QUESTIONS:
        raise ValueError(f"There are two questions called {method.__name__}.")
    QUESTIONS[method.__name__] = question
    return method


def questions(desk: Desk, readonly: bool) -> dict[str, Question]:
    """What a desk can be asked, in the read-only view or by the owner."""
    own = {name: one for name, one in QUESTIONS.items() if getattr(type(desk), name, None) is one.method}
    return {name: one for name, one in own.items() if not (readonly and one.owners)}


def add_door(app: FastAPI, ctx: Context, prefix: str, desks: Iterable[Desk]) -> None:
    """Answer at `POST {prefix}/ask/<name>` what these desks know, with the rights that `ctx` gives the caller."""
    fresh = Fresh(ctx.store)
    known = {name: (one, desk) for desk in desks for name, one in questions(desk, ctx.readonly).items()}

    async def ask(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in known:
            return _json(orjson.dumps({"error": "There is no such question here."}), 404)
        question, desk = known[name]
        try:
            asked = ctx.access.viewer(request), name, await request.body()
        except ClientDisconnect:  # also what the gate says of a body over its cap
            return Response(status_code=400)
        answer = fresh.get(asked) if question.shared else None
        if answer is None:
            changes = ctx.store.changes
            answer = await run_in_threadpool(_answered, question, desk, ctx, asked[2], request)
            if question.shared:
                fresh.put(asked, answer, changes)
        return _json(answer)

    app.router.routes.append(Route(f"{prefix}{ROUTE}/{{name}}", ask, methods=["POST"], middleware=[ZIPPED]))


class Fresh:
    """Answers of the last moment; anything written to the store but a step makes them stale at once."""

    def __init__(self, store: Store, seconds: float = FRESH_SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self._answers: OrderedDict[Asked, tuple[float, int, bytes]] = OrderedDict()

    def get(self, asked: Asked) -> bytes | None:
        """The answer, where one is fresh."""
        made, changes, answer = self._answers.get(asked, (float("-inf"), 0, b""))
        return answer if time.monotonic() - made < self._seconds and changes == self._store.changes else None

    def put(self, asked: Asked, answer: bytes, changes: int) -> None:
        """Keep an answer for a moment; `changes` is the store's count before it was made."""
        if len(asked[2]) > _LONGEST_QUESTION:
            return
        self._answers[asked] = time.monotonic(), changes, answer
        self._answers.move_to_end(asked)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


def _answered(question: Question, desk: Desk, ctx: Context, body: bytes, request: Request) -> bytes:
    try:
        given = orjson.loads(body)  # It refuses what is nested too deeply, where `json` recurses.
    except ValueError:
        given = None
    answer = question.answer(desk, ctx, given if isinstance(given, dict) else {}, request)
    body = orjson.dumps(answer)
    return without_paths(body) if ctx.readonly and not question.file else body


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
