"""Builds one page: the frame, and in it every tab whose module is there. The same code for owner and viewers."""

from __future__ import annotations

import importlib
import json
from html import escape

import gradio as gr

from dashboard import shell, theme
from dashboard.charts import bundle
from dashboard.context import Context
from dashboard.pages import sidebar
from dashboard.pages.page import Page

PAGES = ("setup", "checkpoints", "live", "layers", "similarity", "compare", "studies", "playground", "share")
"""Folders of dashboard/pages in the order of their tabs."""
SIDEBAR = 264
STILL = (
    "html:not(.ms-settled) *{transition:none!important}"
    "@media(min-width:768px){html:not(.ms-settled) .wrap:not(.wrap .wrap):has(.contain),"
    f"html:not(.ms-settled) .sidebar-parent{{padding-left:{SIDEBAR + 30}px!important}}}}"
)
"""Gradio slides its sidebar in and pushes the page along; until the page stands, its place is kept free."""


def pages(readonly: bool) -> list[Page]:
    """Those to show."""
    found = [importlib.import_module(f"dashboard.pages.{name}.page").PAGE for name in PAGES]
    return [page for page in found if not (readonly and page.owner_only)]


def build_page(ctx: Context) -> gr.Blocks:
    """The whole page as Gradio blocks; mount it with `css(ctx)` and put `head(ctx)` into its HTML."""
    blocks = gr.Blocks(title="Mergescope", fill_width=True, analytics_enabled=False)
    with blocks:
        with gr.Sidebar(width=SIDEBAR, elem_id="ms-sidebar"):
            sidebar.build_sidebar(ctx)
        sidebar.build_header()
        built = {}
        with gr.Tabs(elem_id="ms-tabs") as tabs:
            for page in pages(ctx.readonly):
                with gr.Tab(page.title, id=page.name, elem_id=f"ms-tab-{page.name}") as tab:
                    page.build()
                built[page.name] = tab
        shell.connect(tabs, built)
    return blocks


def head(ctx: Context) -> str:
    """What the page loads before its components: settings for the scripts, the scripts, the icon."""
    tabs, viewed = ([page.name for page in pages(readonly)] for readonly in (ctx.readonly, True))
    settings = json.dumps({"readonly": ctx.readonly, "pollSeconds": ctx.poll_seconds, "tabs": tabs, "viewed": viewed})
    program = bundle.url("viewer.js" if ctx.readonly else "owner.js")
    return (
        f'<link rel="icon" type="image/svg+xml" href="{escape(bundle.url("logo.svg"))}">'
        f'<meta name="color-scheme" content="light dark"><style>{theme.colours()}{STILL}</style>'
        f'<script type="application/json" id="ms-settings">{settings}</script><script src="{escape(program)}"></script>'
    )


def css(ctx: Context) -> str:
    """The style sheet: the house's, that of cards and charts, then those of the pages."""
    names = ["analysis.css", *(f"{page.name}.css" for page in pages(ctx.readonly))]
    own = (bundle.files()[name].plain.decode() for name in names if name in bundle.files())
    return "\n".join([theme.css(), bundle.style(), *own])
