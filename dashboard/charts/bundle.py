"""The scripts, style sheets and pictures of the pages as files that a page or an exported HTML file can use; no Gradio.

`script()` is one program made of the modules in js/, after the palette; it puts everything under
`window.mergescope.charts` and needs Plotly only when it draws. It touches `document.body`, so it has to stand in it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from core.store import ACTIVE
from dashboard.charts import palette
from dashboard.settings import WEB
from dashboard.wording import RESUMABLE

HERE = Path(__file__).parent
PAGES = HERE.parent / "pages"
PLOTLY = WEB / "plotly-cartesian-4.1.1.min.js"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
MODULES = (
    "base",
    "decode",
    "run",
    "hub",
    "look",
    "plot",
    "matrix",
    "heatmap",
    "lines",
    "accuracy",
    "cell",
    "profile",
    "card",
    "facts",
    "edits",
    "live",
    "layer_values",
    "layer_map",
    "layer_details",
    "layers",
    "whatif",
    "start",
)
"""Files of js/, in the order in which they build on each other."""

FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class File:
    """One file as it is sent."""

    media_type: str
    plain: bytes
    zipped: bytes

    @property
    def version(self) -> str:
        """Changes with the content."""
        return hashlib.sha256(self.plain).hexdigest()[:12]

    def answer(self, request: Request) -> Response:
        """To be kept for ever under an address with a version; compressed where the browser takes that."""
        headers = {"cache-control": FOR_EVER if "v" in request.query_params else "no-cache", "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.zipped, media_type=self.media_type, headers=headers | {"content-encoding": "gzip"})
        return Response(self.plain, media_type=self.media_type, headers=headers)


def base() -> str:
    """What every script builds on, and the statuses: of what goes on, and of what can go on again."""
    active, resumable = json.dumps(ACTIVE), json.dumps(sorted(RESUMABLE))
    statuses = f"Object.assign(window.mergescope.charts, {{ ACTIVE: {active}, RESUMABLE: {resumable} }});"
    return f"{(HERE / 'js' / 'base.js').read_text('utf-8')}\n{statuses}"


def script(modules: Sequence[str] = MODULES) -> str:
    """The palette and the modules, all where none are named, as one program. A page has the first, `base`, already."""
    parts = [base() if name == "base" else (HERE / "js" / f"{name}.js").read_text("utf-8") for name in modules]
    colours = f"window.mergescope.charts.palette = {palette.as_json()};"
    return "\n".join([parts[0], colours, *parts[1:]])


def style() -> str:
    """The charts' style sheet; colours come from the page's custom properties (`dashboard.theme.css`)."""
    kinds = "".join(
        f"{prefix}.mc-kind-{kind}{{background:{colour}}}\n"
        for prefix, theme in (("", palette.LIGHT), (".dark ", palette.DARK))
        for kind, colour in theme.kinds.items()
    )
    return (HERE / "charts.css").read_text("utf-8") + kinds


@cache
def files() -> dict[str, File]:
    """The files by name, those of assets/web and of the pages among them; read and compressed once."""
    lying = {path.name: path for path in [*WEB.iterdir(), *PAGES.glob("*/*")] if path.suffix in TYPES}
    del lying[PLOTLY.name]
    made = {
        "plotly.js": PLOTLY.read_bytes(),
        "base.js": base().encode(),
        "charts.js": script(MODULES[1:]).encode(),
        "charts.css": style().encode(),
    }
    return {
        name: File(TYPES[Path(name).suffix], plain, gzip.compress(plain, 6, mtime=0))
        for name, plain in ({name: path.read_bytes() for name, path in lying.items()} | made).items()
    }


def url(name: str) -> str:
    """Where a page finds the file; the address changes with its content."""
    return f"/web/{name}?v={files()[name].version}"


def head() -> str:
    """What a component needs in the page's head before it runs."""
    return (
        f'<link rel="stylesheet" href="{url("charts.css")}">'
        f'<script src="{url("plotly.js")}"></script><script src="{url("charts.js")}"></script>'
    )
