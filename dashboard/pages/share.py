"""The page "Share": files to take away; for the owner also view links, other devices, renaming and deleting.

In the read-only view only the files are there: neither the sections nor the functions of the rest exist.
"""

from __future__ import annotations

from typing import Any

from core.errors import BadInput
from core.export.titles import run_title
from dashboard.access import Link
from dashboard.asked import text
from dashboard.context import Context
from dashboard.pages import Calls, Page
from dashboard.settings import LOCAL_HOSTS

DAYS = (1, 7, 30, 365)


class Sharing:
    """What the page asks the server for."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def calls(self) -> tuple[Calls, Calls]:
        """The server functions; all but the first are the owner's."""
        return {"share_offer": self.offer}, {
            "share_links": self.links,
            "share_create": self.create,
            "share_revoke": self.revoke,
            "share_device": self.device,
            "share_sign_out": self.sign_out,
            "share_rename": self.rename,
            "share_delete": self.delete,
        }

    def offer(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """The files of a run that the caller may see."""
        from dashboard import downloads

        record = self._ctx.run(args.get("run"), request)
        found = downloads.offered(self._ctx.store, record, owner=self._ctx.is_owner(request))
        prefix = "/view/download" if self._ctx.readonly else "/download"
        shown = ("title", "help", "suffix")
        return {
            "files": [
                {name: getattr(item, name) for name in shown} | {"url": f"{prefix}/{record.id}/{item.kind}"}
                for item in found
            ],
            "name": record.name,
            "title": run_title(record),
            "status": record.status,
        }

    def links(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """All view links, and how far they reach."""
        return {"links": [_shown(link, self._ctx) for link in self._ctx.access.links()], **_reach(self._ctx)}

    def create(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """A new view link."""
        days = args.get("days")
        if days is not None and days not in DAYS:
            raise BadInput(
                f"A view link lasts {', '.join(map(str, DAYS))} days or until it is revoked. Found `{str(days)[:20]}`."
            )
        run, label = text(args.get("run", ""), "run"), text(args.get("label", ""), "label", 80)
        if run:
            self._ctx.run(run, request)
        return {"link": _shown(self._ctx.access.create_link(run, days=days, label=label), self._ctx)}

    def revoke(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """End a view link."""
        return {"ok": self._ctx.access.revoke(text(args.get("link"), "link"))}

    def device(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """A link that signs one more browser in, once."""
        return {"path": f"/open/{self._ctx.access.one_time_token()}"}

    def sign_out(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """End all sessions; a link that signs this browser in again."""
        token = self._ctx.access.one_time_token()
        self._ctx.access.end_sessions()
        return {"path": f"/open/{token}"}

    def rename(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Give a run another name."""
        record = self._ctx.run(args.get("run"), request)
        self._ctx.store.rename(record.id, text(args.get("name", ""), "name"))
        return {"ok": True}

    def delete(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Delete a run."""
        record = self._ctx.run(args.get("run"), request)
        self._ctx.store.delete(record.id)
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
    "window.mergescopeShare(element.querySelector('.ms-share'), server);",
    lambda ctx: Sharing(ctx).calls(),
    template='<div class="ms-share ms-form"></div>',
    scripts=("share.js",),
    styles=("share.css",),
    charts=False,
)
