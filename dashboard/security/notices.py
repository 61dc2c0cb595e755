"""Small pages of their own: what a stranger sees, what stands there while the server starts. No user text in them."""

from __future__ import annotations

from dashboard.theme import DARK, LIGHT


def not_owner() -> str:
    """For a caller without owner session at the owner's address."""
    return page(
        "This dashboard is private",
        "Open the link that <code>python launch.py</code> printed when it started; it signs this browser in. "
        "Each link works once: the page <em>Share</em> of a signed-in browser makes another. "
        "Were you sent a link to look at a run? Open that one again: it starts with <code>/s/</code>.",
    )


def no_link() -> str:
    """For a caller of the read-only view without a valid link."""
    return page(
        "This view needs a link",
        "The link you followed has expired, was revoked, or belongs to another browser. "
        "Ask the person who shared it for a new one.",
    )


def bad_link() -> str:
    """For a view link or one-time link that is not valid (any more)."""
    return page(
        "This link no longer works",
        "View links expire and can be revoked, and an owner's link works once. If you started the server, restart "
        "it or use a browser that is signed in; otherwise ask for a new link.",
    )


def starting() -> str:
    """Shown, and reloaded, until the engine is ready."""
    return page(
        "Mergescope is starting",
        "Loading the engine. This page opens by itself in a few seconds.",
        head='<meta http-equiv="refresh" content="1">',
        busy=True,
    )


def forward(target: str) -> str:
    """Go on to `target`, a fixed path of this server with an already encoded query, from a page of this site.

    A SameSite=Strict cookie is not sent along a redirect that another site started.
    """
    return page(
        "Signed in",
        f'<a href="{target}">Open Mergescope</a>',
        head=f'<meta http-equiv="refresh" content="0; url={target}">',
        busy=True,
    )


def page(title: str, text: str, *, head: str = "", busy: bool = False) -> str:
    """A complete HTML page; `title`, `text` and `head` are trusted HTML."""
    bar = '<div class="bar"><i></i></div>' if busy else ""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Mergescope</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{head}<style>{_css()}</style></head>
<body><main><p class="brand">Merge<b>scope</b></p><h1>{title}</h1><p>{text}</p>{bar}</main></body></html>"""


def _css() -> str:
    def values(palette: dict[str, str]) -> str:
        names = ("surface", "card", "line", "text", "muted", "accent")
        return ";".join(f"--{name[0]}:{palette[name]}" for name in names)

    return (
        f":root{{{values(LIGHT)};color-scheme:light dark}}"
        f"@media(prefers-color-scheme:dark){{:root{{{values(DARK)}}}}}"
        "body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--s);color:var(--t);"
        "font:16px/1.6 system-ui,sans-serif}main{max-width:30rem;margin:1rem;padding:2rem;background:var(--c);"
        "border:1px solid var(--l);border-radius:14px}.brand{margin:0;font-weight:700}.brand b,a{color:var(--a)}"
        "h1{font-size:1.35rem;margin:.6rem 0}p{color:var(--m)}.brand{color:var(--t)}code{color:var(--t)}"
        ".bar{height:4px;border-radius:2px;background:var(--l);overflow:hidden}.bar i{display:block;height:100%;"
        "width:40%;background:var(--a);animation:g 1.2s ease-in-out infinite alternate}"
        "@keyframes g{to{margin-left:60%}}@media(prefers-reduced-motion:reduce){.bar i{animation:none}}"
    )
