"""The page "Share": files to take away; for the owner also view links, other devices, renaming and deleting.

In the read-only view only the files are there: neither the sections nor the questions of the rest exist.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from core.errors import BadInput
from core.export.titles import run_title
from dashboard.access import Link
from dashboard.asked import Line
from dashboard.context import Context
from dashboard.door import Answer, Run, everybodys, owners
from dashboard.pages.page import Page
from dashboard.settings import LOCAL_HOSTS

DAYS = (1, 7, 30, 365)


class Sharing:
    """What the page asks the server for."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    @everybodys
    def share_offer(self, run: Run, request: Request) -> Answer:
        """The files of a run that the caller may see."""
        from dashboard import downloads

        found = downloads.offered(self._ctx.store, run, owner=self._ctx.is_owner(request))
        prefix = "/view/download" if self._ctx.readonly else "/download"
        shown = ("title", "help", "suffix")
        return {
            "files": [
                {name: getattr(item, name) for name in shown} | {"url": f"{prefix}/{run.id}/{item.kind}"}
                for item in found
            ],
            "name": run.name,
            "title": run_title(run),
            "status": run.status,
        }

    @owners
    def share_links(self) -> Answer:
        """All view links, and how far they reach."""
        return {"links": [_shown(link, self._ctx) for link in self._ctx.access.links()], **_reach(self._ctx)}

    @owners
    def share_create(self, request: Request, run: Line = "", days: Any = None, label: Line = "") -> Answer:
        """A new view link."""
        if days is not None and days not in DAYS:
            raise BadInput(
                f"A view link lasts {', '.join(map(str, DAYS))} days or until it is revoked. Found `{str(days)[:20]}`."
            )
        if run:
            self._ctx.run(run, request)
        return {"link": _shown(self._ctx.access.create_link(run, days=days, label=label), self._ctx)}

    @owners
    def share_revoke(self, link: Line) -> Answer:
        """End a view link."""
        return {"ok": self._ctx.access.revoke(link)}

    @owners
    def share_device(self) -> Answer:
        """A link that signs one more browser in, once."""
        return {"path": f"/open/{self._ctx.access.one_time_token()}"}

    @owners
    def share_sign_out(self) -> Answer:
        """End all sessions; a link that signs this browser in again."""
        token = self._ctx.access.one_time_token()
        self._ctx.access.end_sessions()
        return {"path": f"/open/{token}"}

    @owners
    def share_rename(self, run: Run, name: Line = "") -> Answer:
        """Give a run another name."""
        self._ctx.store.rename(run.id, name)
        return {"ok": True}

    @owners
    def share_delete(self, run: Run) -> Answer:
        """Delete a run."""
        self._ctx.store.delete(run.id)
        return {"ok": True}


def _shown(link: Link, ctx: Context) -> dict[str, Any]:
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


def _reach(ctx: Context) -> dict[str, Any]:
    """How far the links reach."""
    tunnel = ctx.tunnel
    return {
        "local": ctx.host in LOCAL_HOSTS,
        "tunnel": {"wanted": tunnel.wanted, "url": tunnel.url, "problem": tunnel.problem},
    }


PAGE = Page(
    "Share",
    "share",
    (Sharing,),
    template='<div class="ms-share ms-form"></div>',
    styles=("share.css",),
    charts=False,
)
