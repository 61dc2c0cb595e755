"""Colours of the charts in both themes, and the Plotly template made of them; no Gradio here.

The sequential scale is one curve in OKLab from the surface to the far end of the lightness axis, cut into ten parts
of equal colour distance; the diverging one is two such curves that meet in the surface's grey. Lightness rises or
falls all the way, so the order can be read without seeing hue (tests/dashboard/test_palette.py measures both).
The JavaScript charts receive the same numbers (`as_json`), so that live and exported figures look alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from dashboard import theme

ThemeName = Literal["light", "dark"]

FONT = ", ".join(f'"{name}"' if " " in name else name for name in theme.FONT)


@dataclass(frozen=True)
class Palette:
    """Colours of one theme."""

    page: dict[str, str]
    """Those of the page, by the names of `theme.COLOURS`."""
    sequential: tuple[str, ...]
    """Small λ to large λ, equal steps in OKLab."""
    diverging: tuple[str, ...]
    """Less to more, the middle is no difference."""
    kinds: dict[str, str]
    """Colour of each tensor kind, for the strip under the heatmap."""
    series: tuple[str, ...]
    """Of several runs in one picture; told apart by lightness as well, and always named beside the mark."""


KINDS = {
    "embedding": ("#7b5ea7", "#b39ddb"),
    "attention": ("#3b6fb6", "#7fa8e0"),
    "MLP": ("#c98a2b", "#e0b15c"),
    "convolution": ("#b5566b", "#e39aab"),
    "LayerNorm": ("#9aa0a6", "#7d858d"),
    "projection": ("#33383d", "#f2f2f2"),
    "mixed": ("#c9ccd0", "#4a5158"),
}
"""Kind of tensor -> its colour in the light and in the dark theme."""


def _palette(page: dict[str, str], place: int, *scales: str) -> Palette:
    kinds = {name: both[place] for name, both in KINDS.items()}
    sequential, diverging, more = (tuple(text.split()) for text in scales)
    series = (page["accent"], page["warm"], *more)
    return Palette(page, sequential, diverging, kinds, series)


LIGHT = _palette(
    theme.LIGHT,
    0,
    "#f4f8f7 #cee7e1 #a7d5cd #81c2ba #5caea8 #389995 #148382 #006d6f #00565a #004146 #012d31",
    "#7e320f #a5522a #c8774d #e1a07c #f0cbb5 #f7f5f4 #b6dcd8 #7abfb9 #469e99 #227b78 #0d5957",
    "#3b6fb6 #7b5ea7 #8a6d00 #33383d #b3478a #5b7d2a",
)
DARK = _palette(
    theme.DARK,
    1,
    "#1b2325 #1b383d #144e55 #05646c #027c81 #209395 #44aaa8 #69c0b9 #90d5cb #b8e8de #dffbf3",
    "#f2ab83 #d2875e #ad6641 #834c31 #56372a #292624 #294744 #2e6963 #388b84 #4dafa5 #69d3c7",
    "#7fa8e0 #b39ddb #e0b15c #eceff1 #e58cc0 #a7c96f",
)
THEMES: dict[ThemeName, Palette] = {"light": LIGHT, "dark": DARK}

CONFIG: dict[str, Any] = {
    "responsive": False,
    "displaylogo": False,
    "displayModeBar": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "doubleClick": "reset",
}
"""Plotly's configuration: nothing that talks to anybody, no toolbar over the data."""


def colourscale(colours: tuple[str, ...]) -> list[list[float | str]]:
    """Evenly spaced stops, as Plotly wants them."""
    return [[index / (len(colours) - 1), colour] for index, colour in enumerate(colours)]


def template(name: ThemeName) -> dict[str, Any]:
    """The Plotly template of a theme: what all charts share. Only those that say so can be zoomed."""
    colours = THEMES[name].page
    axis = {
        "gridcolor": colours["line"],
        "linecolor": colours["line"],
        "tickcolor": colours["line"],
        "zeroline": False,
        "ticks": "",
        "automargin": False,
        "fixedrange": True,
        "title": {"font": {"size": 12}, "standoff": 6},
    }
    bar = {"thickness": 8, "outlinewidth": 0, "xpad": 0, "ticks": ""}
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": colours["muted"]},
            "hoverlabel": {
                "bgcolor": colours["card"],
                "bordercolor": colours["muted"],
                "font": {"family": FONT, "size": 12, "color": colours["text"]},
                "align": "left",
            },
            "xaxis": axis,
            "yaxis": axis,
            "showlegend": False,
            "hovermode": "closest",
            "dragmode": False,
            "annotationdefaults": {"showarrow": False},
            "margin": {"l": 48, "r": 16, "t": 8, "b": 32},
        },
        "data": {"heatmap": [{"hoverongaps": False, "colorbar": bar}]},
    }


def as_json() -> str:
    """Both themes, their templates and the configuration, for the JavaScript charts."""
    themes = {
        name: {
            **colours.page,
            "kinds": colours.kinds,
            "series": colours.series,
            "sequential": colourscale(colours.sequential),
            "diverging": colourscale(colours.diverging),
            "template": template(name),
        }
        for name, colours in THEMES.items()
    }
    return json.dumps({"themes": themes, "config": CONFIG, "font": FONT}, separators=(",", ":"))
