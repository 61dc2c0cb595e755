"""The scripts, style sheets and pictures of the pages as files that a page or an exported HTML file can use; no Gradio.

`program()` is one classic script made of modules (`dashboard.charts.linker`); it needs Plotly only when it draws.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from core.store import ACTIVE
from dashboard.charts import palette
from dashboard.charts.linker import link
from dashboard.settings import WEB
from dashboard.theme import icon
from dashboard.wording import RESUMABLE

HERE = Path(__file__).parent
PAGES = HERE.parent / "pages"
SCRIPTS = HERE.parent / "js"
PLOTLY = WEB / "plotly-cartesian-4.1.1.min.js"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
PROGRAMS = ("viewer.js", "owner.js")
"""In dashboard/js: the whole page of somebody who may only look, and the owner's."""
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


def program(entry: Path) -> str:
    """The script that starts at a module, and all that it imports; `given.js` has what Python knows."""
    known = {"palette": palette.as_json(), "ACTIVE": json.dumps(ACTIVE), "RESUMABLE": json.dumps(sorted(RESUMABLE))}
    return link(entry, {"given.js": "".join(f"export const {name} = {value};\n" for name, value in known.items())})


def style() -> str:
    """The style sheet of cards and charts, which every page has; colours come from the page's custom properties
    (`dashboard.theme.css`)."""
    kinds = "".join(
        f"{prefix}.mc-kind-{kind}{{background:{colour}}}\n"
        for prefix, theme in (("", palette.LIGHT), (".dark ", palette.DARK))
        for kind, colour in theme.kinds.items()
    )
    return (HERE / "charts.css").read_text("utf-8") + kinds


@cache
def files() -> dict[str, File]:
    """The files by name, those of assets/web and of the pages among them; read and compressed once."""
    lying = {path.name: path for path in [*WEB.iterdir(), *PAGES.glob("*/*")] if path.suffix in TYPES.keys() - {".js"}}
    made = {
        "plotly.js": PLOTLY.read_bytes(),
        **{name: program(SCRIPTS / name).encode() for name in PROGRAMS},
        "logo.svg": icon().encode(),
    }
    return {
        name: File(TYPES[Path(name).suffix], plain, gzip.compress(plain, 6, mtime=0))
        for name, plain in ({name: path.read_bytes() for name, path in lying.items()} | made).items()
    }


def url(name: str) -> str:
    """Where a page finds the file; the address changes with its content."""
    return f"/web/{name}?v={files()[name].version}"


def head() -> str:
    """What a component that draws needs in the page's head before it runs."""
    return f'<script src="{url("plotly.js")}"></script>'
