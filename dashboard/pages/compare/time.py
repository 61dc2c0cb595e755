"""The average of a measure against seconds: all runs as points, names at those that were chosen; a pure function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.export.results import ResultRow, Results
from dashboard.charts.figure import SERIES, Figure, plain, shorten
from dashboard.pages.compare.figures import MOST, digits

HEIGHT = 380
MARGIN = {"l": 46, "r": 16, "t": 10, "b": 42}
LETTER = 6.6
PLACES = (
    (0, 16, "center"), (12, 0, "left"), (-12, 0, "right"), (0, -16, "center"),
    (12, 14, "left"), (-12, 14, "right"), (12, -14, "left"), (-12, -14, "right"),
    (0, 31, "center"), (0, -31, "center"), (0, 46, "center"), (0, -46, "center"),
)  # fmt: skip
"""Where a name may stand: pixels from its point, and which of its ends is there; the best first."""


@dataclass(frozen=True)
class _Box:
    left: float
    right: float
    bottom: float
    top: float

    def overlap(self, other: _Box) -> float:
        """Shared area in square pixels."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, wide) * max(0.0, high)


def time(
    table: Results,
    rows: Sequence[ResultRow],
    others: Sequence[ResultRow] = (),
    *,
    narrow: bool = False,
) -> Figure:
    """`rows` in their colours and with their names, `others` behind them in grey."""
    known = [row for row in rows if _drawn(row)][:MOST]
    behind = [row for row in others if _drawn(row)]
    if not known and not behind:
        return {"data": [], "layout": {"height": HEIGHT}}
    seconds = [_seconds(row) for row in (*known, *behind)]
    spread = max(seconds) / min(seconds) > 20
    averages = [row.average or 0.0 for row in (*known, *behind)]
    low, high = max(0.0, min(averages) - 0.04), min(1.0, max(averages) + 0.04)
    if table.measure.own:  # It may be any number.
        room = 0.1 * (max(averages) - min(averages)) or 1.0
        low, high = min(averages) - room, max(averages) + room
    left, right = (math.log10(min(seconds)) - 0.3, math.log10(max(seconds)) + 0.3) if spread else (
        -0.08 * max(seconds), 1.25 * max(seconds))  # fmt: skip
    at = {row.id: colour for row, colour in zip(rows, SERIES, strict=False)}
    grey = {"color": "@muted", "size": 8, "opacity": 0.55}
    form = digits(table)
    data = [_points(behind, grey, form)] if behind else []
    data += [_points([row], {"color": at.get(row.id, "@accent"), "size": 12}, form) for row in known]

    size = (330.0 if narrow else 1000.0, float(HEIGHT - MARGIN["t"] - MARGIN["b"]))
    x = [math.log10(second) if spread else second for second in seconds]
    pixels = [
        ((along - left) / (right - left) * size[0], (average - low) / (high - low) * size[1])
        for along, average in zip(x, averages, strict=True)
    ]
    texts = [shorten(row.label, 16 if narrow else 30) for row in known]
    places = _placed(texts, pixels, size)
    notes = [
        {"x": along, "y": row.average, "text": plain(text), "xshift": right_by, "yshift": up_by,
         "xanchor": side, "yanchor": "middle", "font": {"size": 12, "color": "@text"}}
        for along, row, text, (right_by, up_by, side) in zip(x, known, texts, places, strict=False)
    ]  # fmt: skip
    title = {"text": "seconds of the steps" + (", logarithmic" if spread else "")}
    return {
        "data": data,
        "layout": {
            "xaxis": {"type": "log" if spread else "linear", "range": [left, right], "title": title,
                      "nticks": 6, "dtick": 1 if spread else None, "tickformat": "~g"},
            "yaxis": {"range": [low, high], "tickformat": digits(table, 0), "nticks": 6},
            "annotations": notes,
            "margin": MARGIN,
            "hovermode": "closest",
            "height": HEIGHT,
        },
    }  # fmt: skip


def _drawn(row: ResultRow) -> bool:
    return row.seconds is not None and row.average is not None


def _seconds(row: ResultRow) -> float:
    return max(row.seconds or 0.0, 1e-3)


def _points(rows: Sequence[ResultRow], marker: dict[str, Any], form: str) -> dict[str, Any]:
    return {
        "mode": "markers",
        "x": [_seconds(row) for row in rows],
        "y": [row.average for row in rows],
        "name": plain(rows[0].label) if len(rows) == 1 else "not ticked",
        "customdata": [plain(row.label) for row in rows],
        "marker": marker,
        "hovertemplate": f"<b>%{{customdata}}</b><br>%{{y:{form}}} in %{{x:.3~g}} s<extra></extra>",
        "cliponaxis": False,
    }


def _placed(
    texts: Sequence[str], pixels: Sequence[tuple[float, float]], size: tuple[float, float]
) -> list[tuple[int, int, str]]:
    """A place for each text at the first points, where it covers the least of points and of texts placed before."""
    taken = [_Box(x - 6, x + 6, y - 6, y + 6) for x, y in pixels]
    found = []
    for text, (x, y) in zip(texts, pixels, strict=False):
        boxes = [(_box(x + right, y + up, len(text) * LETTER, side), (right, up, side)) for right, up, side in PLACES]
        costs = [sum(box.overlap(other) for other in taken) + _outside(box, size) for box, _ in boxes]
        box, place = boxes[costs.index(min(costs))]
        taken.append(box)
        found.append(place)
    return found


def _box(x: float, y: float, width: float, side: str) -> _Box:
    left = {"left": x, "right": x - width, "center": x - width / 2}[side]
    return _Box(left, left + width, y - 8, y + 8)


def _outside(box: _Box, size: tuple[float, float]) -> float:
    over = max(0.0, -box.left) + max(0.0, box.right - size[0])
    return 16 * over + 1000 * (max(0.0, -box.bottom) + max(0.0, box.top - size[1]))
