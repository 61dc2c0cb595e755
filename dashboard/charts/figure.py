"""Plotly figures as plain dictionaries, made by pure functions `figure(data, narrow) -> Figure`; no Gradio here.

A dictionary costs nothing to build and travels to the page as it is. Colours are named in it (`@text`, `@series2`,
`@accent 0.16` with its opacity): the page puts in those of its theme (`charts.coloured`).
Text that comes from files passes through `plain`, since Plotly reads tags in labels.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from typing_extensions import TypedDict

from dashboard.charts import palette


class Figure(TypedDict):
    """What Plotly draws."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]


SERIES = tuple(f"@series{place}" for place in range(len(palette.LIGHT.series)))
"""Colours of several runs in one picture."""


def plain(text: object) -> str:
    """Text that Plotly shows as it is."""
    return escape(str(text), quote=False)


def shorten(text: str, length: int) -> str:
    """At most `length` letters."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def folded(text: str, length: int, lines: int = 2) -> str:
    """At most `lines` lines of `length` letters for an axis, ready for Plotly."""
    found = textwrap.wrap(text, length, break_long_words=False, max_lines=lines, placeholder=" …") or [text]
    return "<br>".join(plain(shorten(line, length + 2)) for line in found)


def whiskers(bounds: Sequence[tuple[float | None, float | None, float | None]], colour: str) -> dict[str, Any]:
    """Plotly's error bars for (low, value, high) of each point; None where that is not known."""
    up = [0.0 if value is None or high is None else high - value for _, value, high in bounds]
    down = [0.0 if value is None or low is None else value - low for low, value, _ in bounds]
    shape = {"type": "data", "color": colour, "thickness": 1, "width": 2, "visible": any(up) or any(down)}
    return shape | {"array": up, "arrayminus": down}


class Widths(TypedDict):
    """A figure for wide and narrow places: turning a phone asks the server nothing."""

    wide: Figure
    narrow: Figure


def in_both_widths(draw: Callable[..., Figure], *data: Any) -> Widths:
    """The figure `draw(*data)` in both."""
    return {"wide": draw(*data), "narrow": draw(*data, narrow=True)}
