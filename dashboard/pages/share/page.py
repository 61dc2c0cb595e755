"""The page "Share": files to take away; for the owner also view links, other devices, renaming and deleting.

In the read-only view only the files are there: neither the sections nor the questions of the rest exist.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from typing_extensions import TypedDict

from core.errors import BadInput
from core.export.titles import run_title
from dashboard import downloads
from dashboard.access import Link
from dashboard.asked import Line
from dashboard.context import Context
from dashboard.door import Desk, Done, Run, everybodys, owners
from dashboard.pages.page import Page
from dashboard.settings import LOCAL_HOSTS

DAYS = (1, 7, 30, 365)


class Offered(TypedDict):
    """A file to take away."""

    title: str
    help: str
    suffix: str
    url: str
    """Empty where something has to be installed first."""


class Offer(TypedDict):
    """What there is of a run."""

    files: list[Offered]
    name: str
    title: str
    status: str


class Shown(TypedDict):
    """A view link; times are seconds since 1970, `expires` is 0 for never."""

    id: str
    run: str
    scope: str
    label: str
    created: float
    expires: float
    path: str
    tunnel: bool


class Tunnel(TypedDict):
    """The public address, or why there is none."""

    wanted: bool
    url: str
    problem: str


class Reach(TypedDict):
    """Whether only this machine is listened to, and the public address."""

    local: bool
    tunnel: Tunnel


class Links(Reach):
    """All view links."""

    links: list[Shown]


class Made(TypedDict):
    """A new view link."""

    link: Shown


class Way(TypedDict):
    """A path that signs a browser in, once."""

    path: str


class Sharing(Desk):
    """What the page asks the server for."""

    @everybodys
    def share_offer(self, run: Run, request: Request) -> Offer:
        """The files of a run that the caller may see."""
        found = downloads.offered(self._ctx.store, run, owner=self._ctx.is_owner(request))
        prefix = "/view/download" if self._ctx.readonly else "/download"
        return {
            "files": [
                {
                    "title": one.title,
                    "help": one.lacking() or one.help,
                    "suffix": one.suffix,
                    "url": "" if one.lacking() else f"{prefix}/{run.id}/{one.kind}",
                }
                for one in found
            ],
            "name": run.name,
            "title": run_title(run),
            "status": run.status,
        }

    @owners
    def share_links(self) -> Links:
        """All view links, and how far they reach."""
        return {"links": [_shown(link, self._ctx) for link in self._ctx.access.links()], **_reach(self._ctx)}

    @owners
    def share_create(self, request: Request, run: Line = "", days: Any = None, label: Line = "") -> Made:
        """A new view link."""
        if days is not None and days not in DAYS:
            raise BadInput(
                f"A view link lasts {', '.join(map(str, DAYS))} days or until it is revoked. Found `{str(days)[:20]}`."
            )
        if run:
            self._ctx.run(run, request)
        return {"link": _shown(self._ctx.access.create_link(run, days=days, label=label), self._ctx)}

    @owners
    def share_revoke(self, link: Line) -> Done:
        """End a view link."""
        return {"ok": self._ctx.access.revoke(link)}

    @owners
    def share_device(self) -> Way:
        """A link that signs one more browser in, once."""
        return {"path": f"/open/{self._ctx.access.one_time_token()}"}

    @owners
    def share_sign_out(self) -> Way:
        """End all sessions; a link that signs this browser in again."""
        token = self._ctx.access.one_time_token()
        self._ctx.access.end_sessions()
        return {"path": f"/open/{token}"}

    @owners
    def share_rename(self, run: Run, name: Line = "") -> Done:
        """Give a run another name."""
        self._ctx.store.rename(run.id, name)
        return {"ok": True}

    @owners
    def share_delete(self, run: Run) -> Done:
        """Delete a run."""
        self._ctx.store.delete(run.id)
        return {"ok": True}


def _shown(link: Link, ctx: Context) -> Shown:
    record = ctx.find(link.run) if link.run else None
    words = "all runs" if not link.run else run_title(record) if record is not None else "a deleted run"
    return {
        "id": link.id,
        "run": link.run,
        "scope": words,
        "label": link.label,
        "created": link.created,
        "expires": link.expires,
        "path": ctx.access.path(link),
        "tunnel": link.id == ctx.tunnel.link,
    }


def _reach(ctx: Context) -> Reach:
    tunnel = ctx.tunnel
    shown: Tunnel = {"wanted": tunnel.wanted, "url": tunnel.url, "problem": tunnel.problem}
    return {"local": ctx.host in LOCAL_HOSTS, "tunnel": shown}


PAGE = Page(
    "Share",
    "share",
    (Sharing,),
    template='<div class="ms-share ms-form"></div>',
    charts=False,
)
