"""Figures of several runs; pure functions over the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from core.export.results import ResultRow, Results
from dashboard.charts.figure import SERIES, Figure, folded, plain, shorten, whiskers

MOST = 8
"""Rows in one figure; more could not be told apart."""
LETTER = 6.6


def bars(table: Results, rows: Sequence[ResultRow], *, narrow: bool = False) -> Figure:
    """The table's measure by task, one bar per row; accuracy with its 95 % interval. Tasks below each other where
    there is little room."""
    shown = rows[:MOST]
    if all(cell.accuracy is None for row in shown for cell in row.cells):
        return {"data": [], "layout": {"height": 330}}
    places = list(range(len(table.tasks)))
    data = [
        {
            "type": "bar",
            "name": plain(row.label),
            "x" if not narrow else "y": places,
            "y" if not narrow else "x": [cell.accuracy for cell in row.cells],
            "orientation": "h" if narrow else "v",
            "marker": {"color": colour},
            ("error_x" if narrow else "error_y"): whiskers(
                [(cell.low, cell.accuracy, cell.high) for cell in row.cells], "@text"
            ),
            "customdata": [plain(f"{row.label}, {title}") for title in table.titles],
            "hovertemplate": f"<b>%{{customdata}}</b><br>%{{{'x' if narrow else 'y'}:{digits(table)}}}<extra></extra>",
        }
        for row, colour in zip(shown, SERIES, strict=False)
    ]
    room = max(8, min(18, 130 // max(1, len(table.titles))))  # letters below one group of bars
    labels = [plain(shorten(title, 12)) if narrow else folded(title, room) for title in table.titles]
    # Calibration errors are small, and a person's own metric may be any number.
    whole = {"range": [0, 1.02]} if table.measure.best == "highest" else {"rangemode": "tozero"}
    scale = whole | {"tickformat": digits(table, 0), "nticks": 6}
    names = {"tickvals": places, "ticktext": labels, "ticklabelstandoff": 4}
    names |= {"showgrid": False}
    longest = max((len(label) for label in labels), default=4) * LETTER
    if narrow:
        layout = {
            "xaxis": scale | {"nticks": 5},
            "yaxis": names | {"range": [len(places) - 0.5, -0.5]},
            "margin": {"l": min(longest + 20, 104), "r": 14, "t": 6, "b": 28},
            "height": 60 + len(places) * max(26, 11 * len(shown) + 12),
        }
    else:
        layout = {
            "xaxis": names | {"range": [-0.5, len(places) - 0.5]},
            "yaxis": scale,
            "margin": {"l": 46, "r": 12, "t": 8, "b": 46},
            "height": 330,
        }
    return {
        "data": data,
        "layout": layout | {"barmode": "group", "bargap": 0.24, "bargroupgap": 0.06},
    }


def digits(table: Results, more: int = 1) -> str:
    """How Plotly writes values of the table's measure, a share with so many decimals."""
    return ".4~g" if table.measure.own else f".{more}%"


def radar(table: Results, rows: Sequence[ResultRow], *, narrow: bool = False) -> Figure:
    """The table's measure by task around a circle, drawn as closed lines: the plotly bundle of the pages has no polar
    axes. Only for shares of which more is better.

    The centre is the round tenth below the lowest value, so that differences can be seen; the rings say so.
    """
    shown, count = rows[:MOST], len(table.tasks)
    values = [cell.accuracy for row in shown for cell in row.cells if cell.accuracy is not None]
    if count < 3 or not values:
        return {"data": [], "layout": {"height": 330}}
    inner = max(0.0, math.floor(min(values) * 10 - 1e-9) / 10)
    inner = min(inner, 0.8)
    rings = [inner + (1 - inner) * part / 4 for part in range(1, 5)]
    data = []
    for row, colour in zip(shown, SERIES, strict=False):
        known = [cell.accuracy for cell in row.cells]
        points = [
            (None, None) if value is None else _polar(place, count, value, inner) for place, value in enumerate(known)
        ]
        closed = [*points, points[0]]
        data.append(
            {
                "mode": "lines+markers",
                "name": plain(row.label),
                "x": [x for x, _ in closed],
                "y": [y for _, y in closed],
                "line": {"color": colour, "width": 2, "dash": "dot" if row.kind != "run" else "solid"},
                "marker": {"color": colour, "size": 6},
                "customdata": [
                    plain(f"{row.label}, {title}: {'–' if value is None else f'{value:.1%}'}")
                    for title, value in zip((*table.titles, table.titles[0]), (*known, known[0]), strict=True)
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            }
        )
    grid = {"color": "@line", "width": 1}
    shapes: list[dict[str, Any]]
    shapes = [{"type": "path", "path": _ring(count, ring, inner), "line": grid, "layer": "below"} for ring in rings]
    notes = [
        {"x": 0, "y": (ring - inner) / (1 - inner), "text": f"{ring:.0%}", "font": {"size": 11},
         "xanchor": "left", "xshift": 3, "yshift": -2}
        for ring in rings
    ]  # fmt: skip
    for place, title in enumerate(table.titles):
        x, y = _polar(place, count, 1.0, inner)
        shapes.append({"type": "line", "x0": 0, "y0": 0, "x1": x, "y1": y, "line": grid, "layer": "below"})
        side = "center" if abs(x) < 0.2 else "left" if x > 0 else "right"
        label = plain(shorten(title, 10 if narrow else 20))
        font = {"size": 12, "color": "@text"}
        notes.append({"x": 1.07 * x, "y": 1.09 * y, "text": label, "xanchor": side, "font": font})
    # Beside the circle there has to be room for the names.
    reach = 1.6 if narrow else 1.45
    wide = {"visible": False, "range": [-reach, reach]}
    return {
        "data": data,
        "layout": {
            "shapes": shapes,
            "annotations": notes,
            "xaxis": wide | {"constrain": "domain"},
            "yaxis": {"visible": False, "range": [-1.16, 1.16], "scaleanchor": "x"},
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "height": 330 if narrow else 420,
        },
    }


def _polar(place: int, count: int, value: float, inner: float) -> tuple[float, float]:
    """Position of a value on the axis of a task; the first axis points up, the others follow clockwise."""
    radius = max(0.0, (value - inner) / (1 - inner))
    angle = math.pi / 2 - 2 * math.pi * place / count
    return round(radius * math.cos(angle), 5), round(radius * math.sin(angle), 5)


def _ring(count: int, value: float, inner: float) -> str:
    corners = (_polar(place, count, value, inner) for place in range(count))
    return "M" + " L".join(f"{x},{y}" for x, y in corners) + " Z"
