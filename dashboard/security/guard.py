"""Puts everything that stands before the site together; light to import, so that it stands there from the start."""

from __future__ import annotations

from starlette.types import ASGIApp

from core.runs.work import Worker
from dashboard import settings
from dashboard.access import Access
from dashboard.security.gate import Gate
from dashboard.security.guests import Guests
from dashboard.security.headers import SafeHeaders
from dashboard.security.hosts import TrustedHosts, hosts_for

TUNNEL_HOSTS = ("*.gradio.live", "localhost", "127.0.0.1")


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
    gate = Gate(app, access, guests or Guests(Worker()), owner_app=owner_app, uploads=settings.UPLOADS)
    return SafeHeaders(TrustedHosts(gate, names, any_address=any_address))
