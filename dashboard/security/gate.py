"""The gate before both apps: who may reach which route, and how large a body may be.

Gradio answers some routes before it asks who is calling (upload progress, cancel, reset, heartbeat), so the decision is
taken here, for every route, from the cookies alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import settings
from dashboard.access import Access, Viewer
from dashboard.security import notices
from dashboard.security.guests import Guests

PUBLIC = re.compile(r"/(web/[^/]+|s/[^/]+/[^/]+|health|favicon\.ico)")
SIGN_IN = re.compile(r"/open/[^/]+")
VIEW = "/view"
VIEW_GET = re.compile(
    r"/(config/?|theme\.css|gradio_api/theme\.css|(assets|static|svelte)/.*|manifest\.json|favicon\.ico|robots\.txt"
    r"|download/[^/]+/[^/]+|gradio_api/(info/?|heartbeat/\w+|queue/data|app_id/?|file=(?!https?:).*))?"
)
VIEW_POST = re.compile(r"/ask/\w+")
BODY_BYTES = 1024 * 1024
"""Cap of a request body that is no upload: forms and polls are far below."""
GUEST_BODY_BYTES = 512 * 1024
"""The same for everybody but the owner: hundreds of bodies may wait for their turn."""


@dataclass
class Gate:
    """ASGI middleware. `owner_app` False means that only the view app, below /view, is served."""

    app: ASGIApp
    access: Access
    guests: Guests
    owner_app: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        viewer = self.access.viewer_of(cookie_parser(headers.get("cookie", "")))
        refusal = self._refusal(scope, headers, viewer)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        path = scope["path"].rstrip("/")
        app, limit = self.app, GUEST_BODY_BYTES
        if viewer.owner:
            limit = next((size for end, size in settings.UPLOADS.items() if path.endswith(end)), BODY_BYTES)
        elif not SIGN_IN.fullmatch(path):
            # By what the links allow, not by the cookies: whoever makes some up would be as many guests as they like.
            who = (scope["client"] or ("",))[0], viewer
            app = partial(self.guests.serve, self.app, who=who)
        await _Capped(app, limit)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: dict[str, str], viewer: Viewer) -> Response | None:
        path, method = scope["path"], scope["method"]
        if method not in {"GET", "HEAD", "POST"}:
            return JSONResponse({"error": "method not allowed"}, 405)
        if method == "POST" and not _same_origin(headers):
            return JSONResponse({"error": "requests from other sites are refused"}, 403)
        if method != "POST" and (PUBLIC.fullmatch(path) or (self.owner_app and SIGN_IN.fullmatch(path))):
            return None
        if path == VIEW or path.startswith(VIEW + "/"):
            return self._view(path.removeprefix(VIEW) or "/", method, viewer)
        if self.owner_app and viewer.owner:
            return None
        if path == "/" and (viewer.anybody or not self.owner_app):
            return RedirectResponse(f"{VIEW}/" + _query(scope), 303)
        return _stranger(path, method, notices.not_owner)

    def _view(self, inner: str, method: str, viewer: Viewer) -> Response | None:
        if not viewer.anybody:
            return _stranger(inner, method, notices.no_link)
        allowed = VIEW_POST if method == "POST" else VIEW_GET
        return None if allowed.fullmatch(inner) else _refused("not part of the read-only view")


def _stranger(path: str, method: str, page: Callable[[], str]) -> Response:
    if path == "/" and method == "GET":
        return HTMLResponse(page(), 401)
    return _refused("not signed in")


def _refused(reason: str) -> Response:
    return JSONResponse({"error": reason}, 401)


@dataclass
class _Capped:
    """Refuse bodies over the limit, by their declared length or, without one, while they arrive."""

    app: ASGIApp
    limit: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.limit:
            await JSONResponse({"error": f"at most {self.limit} bytes"}, 413)(scope, receive, send)
            return
        seen, started = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.limit:
                    return {"type": "http.disconnect"}
            return message

        async def answered(message: Message) -> None:
            # What the app says about a body that was cut off is replaced by the reason.
            nonlocal started
            if seen <= self.limit or started:
                started = True
                await send(message)

        await self.app(scope, counted, answered)
        if seen > self.limit and not started:
            await JSONResponse({"error": f"at most {self.limit} bytes"}, 413)(scope, receive, send)


def _same_origin(headers: dict[str, str]) -> bool:
    """A browser names the page's origin on every POST; tools that name none are judged by their cookie alone."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
    here = {headers.get("host"), headers.get("x-forwarded-host")}
    return origin.partition("://")[2] in here


def _query(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return f"?{query}" if query else ""
