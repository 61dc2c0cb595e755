"""The few routes of the site that are not Gradio's: sign in, open a view link, own files, a sign of life."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from dashboard.access import OWNER_SECONDS, Access
from dashboard.charts import bundle
from dashboard.security import notices
from dashboard.security.gate import VIEW

KEPT = {"run": r"[0-9a-f]{12}", "tab": r"[a-z]{1,20}", "step": r"[0-9]{1,7}", "__theme": r"light|dark"}
"""Query parameters that survive signing in, with what they may look like."""


def add_routes(app: FastAPI, access: Access) -> None:
    """Add the routes; the gate decides who reaches which."""

    @app.get("/health")
    def health() -> Response:
        return JSONResponse({"name": "mergescope", "ready": True})

    @app.get("/web/{name}")
    def web(name: str, request: Request) -> Response:
        file = bundle.files().get(name)
        return file.answer(request) if file is not None else JSONResponse({"error": "no such file"}, 404)

    @app.get("/favicon.ico")
    def icon(request: Request) -> Response:
        return bundle.files()["logo.svg"].answer(request)

    @app.get("/s/{link_id}/{signature}")
    def view_link(link_id: str, signature: str, request: Request) -> Response:
        link = access.check_link(link_id, signature)
        if link is None:
            return HTMLResponse(notices.bad_link(), 404)
        query = kept_query(request) | ({"run": link.run} if link.run else {})
        target = f"{VIEW}/" + (f"?{urlencode(query)}" if query else "")
        answer = RedirectResponse(target, 303)
        value = access.view_cookie_value(link, request.cookies.get(access.view_cookie, ""))
        seconds = link.expires - link.created if link.expires else OWNER_SECONDS
        _give(answer, request, access.view_cookie, value, "lax", seconds)
        return answer

    @app.get("/open/{token}")
    def sign_in(token: str, request: Request) -> Response:
        query = kept_query(request)
        target = f"/?{urlencode(query)}" if query else "/"
        session = access.redeem(token)
        if session is None:
            if access.viewer(request).owner:
                return RedirectResponse(target, 303)
            return HTMLResponse(notices.bad_link(), 403)
        answer = HTMLResponse(notices.forward(target.replace("&", "&amp;")))
        _give(answer, request, access.owner_cookie, session, "strict", OWNER_SECONDS)
        return answer


def kept_query(request: Request) -> dict[str, str]:
    """The parameters of the page that survive a redirect, each of the form it has to have."""
    return {
        name: value for name, value in request.query_params.items() if name in KEPT and re.fullmatch(KEPT[name], value)
    }


def _give(
    answer: Response, request: Request, name: str, value: str, samesite: Literal["lax", "strict"], seconds: float
) -> None:
    """Set a cookie that no script reads, and that travels encrypted where the page does."""
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    answer.set_cookie(name, value, max_age=int(seconds), secure=secure, httponly=True, samesite=samesite)
