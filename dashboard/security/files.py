"""The route that sends the files of a run, to those who may see the run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, Response

from core.errors import MergescopeError
from dashboard import downloads
from dashboard.context import Context


def add_downloads(app: FastAPI, ctx: Context, prefix: str) -> None:
    """`GET {prefix}/download/<run>/<kind>`, with the rights that `ctx` gives the caller."""

    @app.get(f"{prefix}/download/{{run_id}}/{{kind}}", name=f"download{prefix}")
    def download(run_id: str, kind: str, request: Request) -> Response:
        folder = tempfile.mkdtemp(prefix="mergescope-")
        try:
            record = ctx.run(run_id, request)
            item = downloads.find(kind, ctx.store, record, owner=ctx.is_owner(request))
            path = Path(folder) / f"file{item.suffix}"
            path = item.write(ctx, record, path) or path
        except (MergescopeError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            return JSONResponse({"error": str(error)}, 404)
        # Never shown in the page's own origin, whatever it holds.
        cleanup = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        name = downloads.file_name(record, item)
        return FileResponse(path, filename=name, media_type="application/octet-stream", background=cleanup)
