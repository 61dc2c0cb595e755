"""Puts our own lines into the head of Gradio's page, before its scripts, and takes out its advertisement.

Gradio itself adds `head=` from a script, later than some components start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOREIGN = re.compile(rb'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*/>')
_START = re.compile(rb"<head>")


@dataclass
class PageHead:
    """ASGI wrapper around one mounted Gradio app; changes its page and nothing else."""

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
