"""What several figures share: the axis of tasks, names at the ends of lines, limits of an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from dashboard.charts.figure import plain, shorten
from dashboard.charts.history import Floats
from dashboard.charts.palette import Palette

LETTER = 7.1
"""Pixels of one letter at 12 px, for margins."""
GAP = 15


def task_axis(names: Sequence[str]) -> dict[str, Any]:
    """One row a task, the first on top."""
    return {
        "range": [len(names) - 0.5, -0.5],
        "showgrid": False,
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [plain(shorten(name, 24)) for name in names],
    }


def room(names: Sequence[str], most: float = 176) -> float:
    """Margin that these names need."""
    return min(max((len(name) for name in names), default=4) * LETTER + 14, most)


def limits(values: Sequence[float], unit: float = 0.05, least: float = 0.1) -> tuple[float, float]:
    """Round limits around values, at least `least` apart."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = math.floor(min(known) / unit + 1e-9) * unit, math.ceil(max(known) / unit - 1e-9) * unit
    while high - low < least - 1e-9:
        high += unit
        if high - low < least - 1e-9:
            low -= unit
    return round(low, 6), round(high, 6)


def end_labels(
    wanted: Sequence[tuple[float, str, str]], x: float, low: float, high: float, height: float
) -> list[dict[str, Any]]:
    """Names `(value, text, colour)` at the right ends of lines, moved apart; those that find no room are left out."""
    known = [label for label in wanted if math.isfinite(label[0])][: max(1, int(height // GAP))]
    placed = sorted(((high - value) / (high - low) * height, text, colour) for value, text, colour in known)
    places = [place for place, _text, _colour in placed]
    floor = GAP / 2
    for index, place in enumerate(places):
        places[index] = max(place, floor)
        floor = places[index] + GAP
    ceiling = height - GAP / 2
    for index in reversed(range(len(places))):
        places[index] = min(places[index], ceiling)
        ceiling = places[index] - GAP
    return [
        {
            "x": x,
            "y": high - place / height * (high - low),
            "text": plain(text),
            "showarrow": False,
            "xanchor": "left",
            "yanchor": "middle",
            "xshift": 6,
            "font": {"size": 12, "color": colour},
        }
        for place, (_, text, colour) in zip(places, placed, strict=True)
    ]


def faint(colour: str, alpha: float) -> str:
    """A hex colour with transparency."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def numbers(values: Floats) -> list[float | None]:
    """Rounded for JSON, which has no NaN."""
    return [round(float(value), 5) if math.isfinite(value) else None for value in values]


def bar(row: int, start: float, end: float, colour: str, width: float) -> dict[str, Any]:
    """A horizontal bar behind the marks of one task."""
    return {
        "type": "line",
        "x0": start,
        "x1": end,
        "y0": row,
        "y1": row,
        "layer": "below",
        "line": {"color": colour, "width": width},
    }


def names_of_tasks(values: Iterable[float], names: Sequence[str], colours: Palette) -> list[tuple[float, str, str]]:
    """The tasks as end labels."""
    return [(float(value), shorten(name, 24), colours.muted) for value, name in zip(values, names, strict=True)]
