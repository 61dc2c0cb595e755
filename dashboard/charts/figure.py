"""Plotly figures as plain dictionaries, made by pure functions `figure(data, theme, narrow) -> Figure`; no Gradio here.

A dictionary costs nothing to build, travels to the page as it is, and `plotly.graph_objects.Figure(figure)` takes it.
Text that comes from files passes through `plain`, since Plotly reads tags in labels.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from html import escape
from typing import Any

from dashboard.charts import bundle, palette
from dashboard.charts.palette import ThemeName
from dashboard.theme import css

Figure = dict[str, Any]
SERIES: dict[ThemeName, tuple[str, ...]] = {
    "light": ("#0f6b66", "#b4481f", "#3b6fb6", "#7b5ea7", "#8a6d00", "#33383d", "#b3478a", "#5b7d2a"),
    "dark": ("#4cc3b8", "#f2915f", "#7fa8e0", "#b39ddb", "#e0b15c", "#eceff1", "#e58cc0", "#a7c96f"),
}
"""Colours of several runs in one picture; told apart by lightness as well, and always named beside the mark."""


def plain(text: object) -> str:
    """Text that Plotly shows as it is."""
    return escape(str(text), quote=False)


def shorten(text: str, length: int) -> str:
    """At most `length` letters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def brief(title: str, name: str, length: int) -> str:
    """What a task is called where there is little room: its title, else its short name; as `charts.brief` does."""
    short = name.replace("_", " ")
    short = short[:1].upper() + short[1:]
    return shorten(short if len(title) > length and len(short) < len(title) else title, length)


def folded(text: str, length: int, lines: int = 2) -> str:
    """At most `lines` lines of `length` letters for an axis, ready for Plotly."""
    found = textwrap.wrap(text, length, break_long_words=False, max_lines=lines, placeholder=" …") or [text]
    return "<br>".join(plain(shorten(line, length + 2)) for line in found)


def both(draw: Callable[..., Figure], *data: Any, **options: Any) -> dict[str, Figure]:
    """The figure in both themes, so that switching them needs no answer from the server."""
    return {theme: draw(*data, theme=theme, **options) for theme in palette.THEMES}


def complete(figure: Figure, theme: ThemeName) -> Figure:
    """The figure with the theme's template and a size, ready to stand alone."""
    layout = figure["layout"]
    size = {"width": 960, "height": layout.get("height", 420), "autosize": False}
    colours = palette.THEMES[theme]
    background = {"paper_bgcolor": colours.card, "plot_bgcolor": colours.card}
    return {"data": figure["data"], "layout": {"template": palette.template(theme), **background, **layout, **size}}


def page(title: str, figures: dict[str, Figure], *, before: str = "", after: str = "") -> str:
    """One self-contained HTML file with the figures, by name, each of which can be saved as SVG or PNG offline.

    `before` and `after` are HTML (their texts escaped by the caller) around the figures.
    """
    whole = {name: complete(figure, "light") for name, figure in figures.items()}
    body = "".join(
        f'<section class="mc-card"><div class="mc-head"><div><h3>{escape(name)}</h3></div><div class="mc-tools">'
        '<button type="button" class="mc-quiet" data-format="svg">Save as SVG</button>'
        '<button type="button" class="mc-quiet" data-format="png">Save as PNG</button>'
        '</div></div><div class="figure"></div></section>'
        for name in whole
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{css()}{bundle.style()}"
        "body{margin:0 auto;max-width:1000px;padding:24px}.mc-card{margin:14px 0}.figure{overflow-x:auto}</style>"
        f'</head><body class="mc"><h1 class="ms-title">{escape(title)}</h1>'
        f"{before}{body}{after}"
        f"<script>{bundle.PLOTLY.read_text('utf-8')}</script>"
        f'<script type="application/json" id="figures">{embedded(list(whole.items()))}</script>'
        f"<script>{_DRAW.replace('CONFIG', json.dumps(palette.CONFIG))}</script></body></html>"
    )


def embedded(value: Any) -> str:
    """JSON that can stand inside a <script> element whatever the texts in it are."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_DRAW = """
const figures = JSON.parse(document.getElementById("figures").textContent);
document.querySelectorAll("section").forEach((section, place) => {
  const [name, figure] = figures[place], target = section.querySelector(".figure");
  Plotly.newPlot(target, figure.data, figure.layout, CONFIG);
  for (const button of section.querySelectorAll("button")) {
    button.addEventListener("click", () => Plotly.downloadImage(target, { format: button.dataset.format, scale: 2,
      width: figure.layout.width, height: figure.layout.height, filename: name.replace(/[^A-Za-z0-9]+/g, "-") }));
  }
});
"""
