"""The route that takes a .zip file of images from the owner, larger than what Gradio's own upload is allowed."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from core.errors import BadInput, reason
from core.paths import home
from dashboard.context import Context, NotOwner

ROUTE = "/images-upload"


def add_uploads(app: FastAPI, ctx: Context) -> None:
    """`POST /images-upload` with the file as body; the answer's `upload` names it for `taken`."""

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
        raise BadInput("The uploaded file is not here any more. Upload it again.")
    return path


def _folder() -> Path:
    return home() / "uploads"
