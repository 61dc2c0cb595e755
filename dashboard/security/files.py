"""The routes of files: those of a run are sent to whoever may see the run, and the owner uploads images."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from core.errors import BadInput, Cancelled, MergescopeError, reason, told
from core.paths import home
from core.runs.work import QueueFull
from core.store import RunRecord
from dashboard import downloads
from dashboard.context import Context, NotOwner
from dashboard.downloads import Download
from dashboard.security.guests import OVER, WHO, too_many
from dashboard.security.shelf import Shelf

ROUTE = "/images-upload"


def add_downloads(app: FastAPI, ctx: Context, prefix: str, shelf: Shelf) -> None:
    """`GET {prefix}/download/<run>/<kind>`, with the rights that `ctx` gives the caller."""

    def asked(run_id: str, kind: str, request: Request) -> tuple[RunRecord, Download, str]:
        record = ctx.run(run_id, request)
        item = downloads.find(kind, ctx.store, record, owner=ctx.is_owner(request))
        # Everything that the file is made of; a step more is another file.
        content = hashlib.sha256(repr((record, downloads.titles(record))).encode()).hexdigest()
        return record, item, content

    @app.get(f"{prefix}/download/{{run_id}}/{{kind}}", name=f"download{prefix}")
    async def download(run_id: str, kind: str, request: Request) -> Response:
        gone = asyncio.ensure_future(_gone(request.receive))
        try:
            record, item, content = await run_in_threadpool(asked, run_id, kind, request)
            request.scope.get(OVER, lambda: None)()  # Waiting for a file keeps no other guest waiting.
            make, guest = partial(item.write, ctx, record), request.scope.get(WHO)
            path = await shelf.file((record.id, kind, content), item.suffix, make, guest, gone)
        except QueueFull as error:
            return too_many(str(error))
        except (MergescopeError, OSError) as error:
            return JSONResponse({"error": ctx.said(told(error))}, 503 if isinstance(error, Cancelled) else 404)
        finally:
            gone.cancel()
        if path is None:
            return Response(status_code=499)
        return _Sent(path, downloads.file_name(record, item), partial(shelf.done_with, path))


class _Sent(FileResponse):
    """A file that is sent while somebody listens; never shown in the page's own origin, whatever it holds."""

    def __init__(self, path: Path, name: str, over: Callable[[], None]) -> None:
        super().__init__(path, filename=name, media_type="application/octet-stream")
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and stop where the asker goes."""
        sending = asyncio.ensure_future(super().__call__(scope, receive, send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            self._over()


async def _gone(receive: Receive) -> None:
    """Ends when the asker has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def add_uploads(app: FastAPI, ctx: Context) -> None:
    """`POST /images-upload` with a .zip, larger than Gradio takes; the answer's `upload` names it for `taken`."""

    @app.post(ROUTE)
    async def upload(request: Request) -> Response:
        try:
            ctx.owner(request)
        except NotOwner as error:
            return JSONResponse({"error": str(error)}, 403)
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("*.zip"):  # One owner unpacks one at a time: what lies here was given up.
            left.unlink(missing_ok=True)
        name = secrets.token_hex(16)
        path = folder / f"{name}.zip"
        try:
            with path.open("wb") as out:
                async for chunk in request.stream():
                    out.write(chunk)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                return JSONResponse({"error": f"The file can't be kept: {reason(error)}."}, 507)
            raise
        return JSONResponse({"upload": name})


def taken(upload: str) -> Path:
    """The file of an earlier upload; raises `BadInput`."""
    path = _folder() / f"{upload}.zip"
    if not re.fullmatch(r"[0-9a-f]{32}", upload) or not path.is_file():
        raise BadInput("The uploaded file is no longer here. Upload it again.")
    return path


def _folder() -> Path:
    return home() / "uploads"
