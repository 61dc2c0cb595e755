"""The page "Share": files to take away; for the owner also view links, other devices, renaming and deleting.

In the read-only view only the files are there: neither the components nor the functions of the rest exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.errors import BadInput
from dashboard import ui
from dashboard.access import Link
from dashboard.context import Context
from dashboard.settings import LOCAL_HOSTS

TITLE = "Share"
TAB_ID = "share"
SCRIPTS = ("share.js",)
STYLES = ("share.css",)
DAYS = (1, 7, 30, 365)
MAX_NAME = 100

_FILES = '<section class="ms-card ms-files" aria-label="Files"></section>'
_OWNER = """<section class="ms-card ms-links" aria-label="View links"></section>
<section class="ms-card ms-public" aria-label="Public link"></section>
<section class="ms-card ms-devices" aria-label="Other devices"></section>
<section class="ms-card ms-manage" aria-label="This run"></section>"""


def build(ctx: Context) -> gr.HTML:
    """One component; what changes something is only passed to the owner's."""
    functions = [_offer(ctx)]
    if not ctx.readonly:
        functions += [_links(ctx), _create(ctx), _revoke(ctx), _device(ctx), _sign_out(ctx), _rename(ctx), _delete(ctx)]
    template = f'<div class="ms-share ms-form">{_FILES}{"" if ctx.readonly else _OWNER}</div>'
    return ui.drawn(
        template, "window.mergescopeShare(element, server);", elem_id="ms-share", server_functions=functions
    )


def _offer(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_offer(args: Any, request: gr.Request) -> dict[str, Any]:
        from dashboard import downloads

        record = ctx.run(_of(args, "run"), request)
        found = downloads.offered(ctx.store, record, owner=ctx.is_owner(request))
        prefix = "/view/download" if ctx.readonly else "/download"
        return {
            "files": [
                {
                    "title": item.title,
                    "help": item.help,
                    "suffix": item.suffix,
                    "url": f"{prefix}/{record.id}/{item.kind}",
                }
                for item in found
            ],
            "name": record.name,
            "status": record.status,
        }

    return share_offer


def _links(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_links(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        return {"links": [_shown(link, ctx) for link in ctx.access.links()], **_reach(ctx)}

    return share_links


def _create(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_create(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        days = args.get("days") if isinstance(args, dict) else None
        if days is not None and days not in DAYS:
            raise BadInput(
                f"A view link lasts {', '.join(map(str, DAYS))} days or until it is revoked. Found `{str(days)[:20]}`."
            )
        run = _of(args, "run")
        if run:
            ctx.run(run, request)
        return {"link": _shown(ctx.access.create_link(run, days=days, label=_text(args, "label", 80)), ctx)}

    return share_create


def _revoke(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_revoke(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        return {"ok": ctx.access.revoke(_of(args, "link"))}

    return share_revoke


def _device(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_device(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        return {"path": f"/open/{ctx.access.one_time_token()}"}

    return share_device


def _sign_out(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_sign_out(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        token = ctx.access.one_time_token()
        ctx.access.end_sessions()
        return {"path": f"/open/{token}"}

    return share_sign_out


def _rename(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_rename(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        record = ctx.run(_of(args, "run"), request)
        ctx.store.rename(record.id, _text(args, "name", MAX_NAME))
        return {"ok": True}

    return share_rename


def _delete(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def share_delete(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        record = ctx.run(_of(args, "run"), request)
        ctx.store.delete(record.id)
        return {"ok": True}

    return share_delete


def _shown(link: Link, ctx: Context) -> dict[str, Any]:
    record = ctx.find(link.run) if link.run else None
    words = "all runs" if not link.run else (record.name or record.method) if record is not None else "a deleted run"
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


def _of(args: Any, key: str) -> str:
    value = args.get(key, "") if isinstance(args, dict) else ""
    return value if isinstance(value, str) else ""


def _text(args: Any, key: str, longest: int) -> str:
    value = _of(args, key).strip()
    if len(value) > longest or not value.isprintable():
        raise BadInput(f"`{key}` should be at most {longest} printable characters. Found {value[:40]!r}.")
    return value
