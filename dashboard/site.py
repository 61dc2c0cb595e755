"""The whole site as one ASGI application: owner's app and read-only view."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from dashboard import settings, theme
from dashboard.charts import service
from dashboard.charts.feed import Feed
from dashboard.charts.references import Marks
from dashboard.context import Context
from dashboard.page import build_page, css, head
from dashboard.pages import sidebar
from dashboard.polls import add_polls
from dashboard.security.files import add_downloads
from dashboard.security.gate import VIEW
from dashboard.security.page_head import PageHead
from dashboard.security.routes import add_routes
from dashboard.security.shelf import Shelf
from dashboard.security.uploads import add_uploads


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
        add_polls(app, one, prefix, {"history": service.polled(one, feed), "runs_list": sidebar.polled(one)})
    _mount(app, view, VIEW)
    if not ctx.readonly:
        add_uploads(app, ctx)
        _mount(app, ctx, "/")
    return app


def _mount(app: FastAPI, ctx: Context, path: str) -> None:
    page = build_page(ctx)
    gr.mount_gradio_app(app, page, path=path, theme=theme.theme(), css=css(ctx), **settings.MOUNT)
    # Gradio looks into its queue a thousand times a second, in every app; no event of ours waits in it.
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = settings.QUEUE_LOOK_SECONDS
    mounted = app.routes[-1]
    assert isinstance(mounted, Mount)
    mounted.app = PageHead(mounted.app, head(ctx))
