"""Refuses requests for a host name that is not this server's: the defence against DNS rebinding."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.settings import LOCAL_HOSTS


class TrustedHosts:
    """ASGI middleware. Rebinding needs a name: a server on all addresses accepts any address but only known names."""

    def __init__(self, app: ASGIApp, names: Iterable[str], *, any_address: bool) -> None:
        self.app = app
        self.names = {name.lower() for name in names}
        self.any_address = any_address

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
    return (*LOCAL_HOSTS, host, *extra), host not in LOCAL_HOSTS


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
