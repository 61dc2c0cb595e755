"""One HTML file with charts: styles, scripts and data are inside, nothing is loaded from anywhere."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from dashboard.charts import bundle
from dashboard.theme import css

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""The file may run what stands in it and reach nothing."""
HERE = Path(__file__).parent


def document(title: str, body: str, data: Any, program: str) -> str:
    """The text of the file: `body` (HTML, its texts escaped), and a module beside this one that draws `data`."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="content-security-policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)} · Mergescope</title><style>{css()}{bundle.style()}{_read('replay.css')}</style></head>"
        f'<body class="mc">{body}<script>{bundle.PLOTLY.read_text("utf-8")}</script>'
        f'<script type="application/json" id="run">{_embedded(data)}</script>'
        f"<script>{bundle.program(HERE / program)}</script></body></html>\n"
    )


def _embedded(value: Any) -> str:
    """JSON that can stand inside a <script> element whatever the texts in it are."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return (HERE / name).read_text("utf-8")
