"""The whole site as one ASGI application: owner's app and read-only view."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

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
from dashboard.security.page_head import PageHead
from dashboard.security.routes import add_routes
from dashboard.security.shelf import Shelf


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
