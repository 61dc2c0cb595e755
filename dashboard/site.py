"""The whole site as one ASGI application: owner's app and read-only view."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import gradio as gr
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import settings, theme
from dashboard.charts.feed import Feed
from dashboard.charts.marks import Marks
from dashboard.charts.service import Charts
from dashboard.context import Context
from dashboard.door import add_door
from dashboard.page import build_page, css, head, pages
from dashboard.pages.sidebar import Runs
from dashboard.security.files import add_downloads, add_uploads
from dashboard.security.gate import VIEW
from dashboard.security.routes import add_routes
from dashboard.security.shelf import Shelf

_FOREIGN = re.compile(rb'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*/>')
_START = re.compile(rb"<head>")


def build(ctx: Context) -> FastAPI:
    """Routes and both Gradio apps, unprotected; with a read-only `ctx` only the view."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(CORSMiddleware, allow_origins=[])
    add_routes(app, ctx.access)
    pause = ctx.poll_seconds if ctx.readonly else settings.POLL_SECONDS_SHARED
    view = replace(ctx, readonly=True, jobs=None, poll_seconds=pause, library=ctx.library.for_guests())
    shelf = Shelf(ctx.library.worker)
    feed = Feed(ctx.store, Marks(ctx.store, ctx.library))
    for one, prefix in ((view, VIEW), (ctx, "")):
        add_downloads(app, one, prefix, shelf)
        asked = [desk(one) for page in pages(one.readonly) for desk in page.desks]
        add_door(app, one, prefix, [Runs(one), Charts(one, feed), *asked])
    _mount(app, view, VIEW)
    if not ctx.readonly:
        add_uploads(app, ctx)
        _mount(app, ctx, "/")
    return app


def _mount(app: FastAPI, ctx: Context, path: str) -> None:
    # Gradio would start a queue with the server and look into it a thousand times a second; nothing waits in it here.
    lifespan = app.router.lifespan_context
    gr.mount_gradio_app(app, build_page(ctx), path=path, theme=theme.theme(), css=css(ctx), **settings.MOUNT)
    app.router.lifespan_context = lifespan
    mounted = app.routes[-1]
    assert isinstance(mounted, Mount)
    mounted.app = PageHead(mounted.app, mounted.path, head(ctx))


@dataclass
class PageHead:
    """ASGI wrapper around one mounted Gradio app; changes its page and nothing else.

    It puts our own lines into the page's head, before Gradio's scripts, and takes out its advertisement. Gradio itself
    adds `head=` from a script, later than some components start.
    """

    app: ASGIApp
    path: str
    """Where the app is mounted."""
    html: str
    """Trusted."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; the page's answer is collected and changed."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].rstrip("/") != self.path:
            await self.app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            if message["type"] != "http.response.body":
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                await self._answer(start, bytes(body), send)

        await self.app({**scope, "headers": plain}, receive, collect)

    async def _answer(self, start: Message, body: bytes, send: Send) -> None:
        headers = [(name, value) for name, value in start.get("headers", []) if name.lower() != b"content-length"]
        if start["status"] == 200 and any(b"text/html" in value for _name, value in headers):
            body = _START.sub(lambda found: found[0] + self.html.encode(), _FOREIGN.sub(b"", body), count=1)
        headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})
