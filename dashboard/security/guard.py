"""What stands before the site, light to import: the check of the host, the gate, the headers of every answer.

Host names are the defence against DNS rebinding.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.runs.work import Worker
from dashboard.access import Access
from dashboard.security.gate import Gate
from dashboard.security.guests import Guests
from dashboard.settings import LOCAL_HOSTS

TUNNEL_HOSTS = ("*.gradio.live", "localhost", "127.0.0.1")
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
FIXED = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def protect(app: ASGIApp, access: Access, host: str, *, owner_app: bool, guests: Guests | None = None) -> ASGIApp:
    """The app behind gate, host check and headers, for a server bound to `host`; `guests` are those of its doors."""
    names, any_address = hosts_for(host)
    return _protected(app, access, guests, names, any_address, owner_app)


def protect_for_tunnel(app: ASGIApp, access: Access, guests: Guests | None = None) -> ASGIApp:
    """The app as a public tunnel sees it: the read-only view and nothing else."""
    return _protected(app, access, guests, TUNNEL_HOSTS, False, False)


def _protected(
    app: ASGIApp, access: Access, guests: Guests | None, names: tuple[str, ...], any_address: bool, owner_app: bool
) -> ASGIApp:
    gate = Gate(app, access, guests or Guests(Worker()), owner_app)
    return SafeHeaders(TrustedHosts(gate, names, any_address))


@dataclass
class SafeHeaders:
    """Set the fixed headers on every answer; pages and data are not to be cached, files under /web/ are."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to the answer's start."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(FIXED)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


@dataclass
class TrustedHosts:
    """ASGI middleware. Rebinding needs a name: a server on all addresses accepts any address but only known names."""

    app: ASGIApp
    names: tuple[str, ...]
    """In lower case."""
    any_address: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400."""
        if scope["type"] == "http" and not self.trusted(scope):
            await PlainTextResponse("This server does not answer under that host name.", 400)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def trusted(self, scope: Scope) -> bool:
        """True where the one Host header names this server."""
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return False
        name = _without_port(hosts[0]).lower()
        if name in self.names or any(name.endswith(known[1:]) for known in self.names if known.startswith("*.")):
            return True
        return self.any_address and _is_address(name)


def hosts_for(host: str) -> tuple[tuple[str, ...], bool]:
    """Names that a server bound to `host` answers to, and whether it answers to any address.

    `MERGESCOPE_HOSTS` (comma-separated, `*.example.org` for all below) adds names, for a server behind a proxy.
    """
    extra = tuple(name.strip() for name in os.environ.get("MERGESCOPE_HOSTS", "").split(",") if name.strip())
    return tuple(map(str.lower, (*LOCAL_HOSTS, host, *extra))), host not in LOCAL_HOSTS


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
