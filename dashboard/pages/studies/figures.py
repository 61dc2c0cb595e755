"""Charts of studies as Plotly figures; a pure function, the same for the page and the file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from core.statistics import Estimate
from core.studies.engine.result import Chart, Series
from dashboard.charts.figure import SERIES, Figure, plain, shorten, whiskers

LETTER = 6.9
DASHES = ("dash", "dot", "dashdot", "longdash")
MOST_LABELLED = 12
"""Points whose names stand beside them; more would cover each other."""


def draw(chart: Chart, *, narrow: bool = False) -> Figure:
    """Lines, bars or points; published series are dashed and in the colour of remarks."""
    make = {"lines": _line, "points": _points, "bars": _bars}[chart.kind]
    traces, measured, told = [], 0, -1
    for series in chart.series:
        colour = "@muted" if series.published else SERIES[measured % len(SERIES)]
        measured += not series.published
        trace = make(chart, series, colour)
        if series.published and "line" in trace:
            told += 1
            trace["line"]["dash"] = DASHES[told % len(DASHES)]
        traces.append(trace)
    layout = _bar_layout(chart, narrow) if chart.kind == "bars" else _layout(chart, narrow)
    several = len(chart.series) > 1
    if several:
        names = [series.name for series in chart.series]
        rows = _legend_rows(names, 330 if narrow else 880)
        layout["legend"] = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom",
                            "font": {"size": 12}, "itemclick": False, "itemdoubleclick": False}  # fmt: skip
        layout["margin"]["b"] += 22 * rows
        layout["height"] += 22 * rows
    return {"data": traces, "layout": layout | {"showlegend": several}}


def _line(chart: Chart, series: Series, colour: str) -> dict[str, Any]:
    return {
        "mode": "lines+markers",
        "name": plain(series.name),
        "x": list(series.x),
        "y": _means(series.y),
        "error_y": _intervals(series.y, colour),
        "line": {"color": colour, "width": 2, "dash": "dash" if series.published else "solid"},
        "marker": {"color": colour, "size": 7, "symbol": "diamond-open" if series.published else "circle"},
        "customdata": _said(chart, series),
        "hovertemplate": "%{customdata}<extra></extra>",
        "cliponaxis": False,
    }


def _points(chart: Chart, series: Series, colour: str) -> dict[str, Any]:
    named = len(series.labels) == len(series.x) <= MOST_LABELLED
    return _line(chart, series, colour) | {
        "mode": "markers+text" if named else "markers",
        "marker": {"color": colour, "size": 10, "symbol": "diamond-open" if series.published else "circle"},
        "text": [plain(shorten(label, 20)) for label in series.labels] if named else None,
        "textposition": "top center",
        "textfont": {"size": 11, "color": "@text"},
    }


def _bars(chart: Chart, series: Series, colour: str) -> dict[str, Any]:
    means = _means(series.y)
    return {
        "type": "bar",
        "orientation": "h",
        "name": plain(series.name),
        "x": means,
        "y": [plain(shorten(str(label), 24)) for label in series.x],
        "marker": {"color": colour, "pattern": {"shape": "/" if series.published else ""}},
        "error_x": _intervals(series.y, "@text"),
        "text": [_number(value, chart) for value in means] if len(chart.series) == 1 else None,
        "textposition": "outside",
        "cliponaxis": False,
        "customdata": _said(chart, series),
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _layout(chart: Chart, narrow: bool) -> dict[str, Any]:
    x: dict[str, Any] = {"title": {"text": plain(chart.x)}, "nticks": 5 if narrow else 9, "type": "linear"}
    values = [float(value) for series in chart.series for value in series.x if not isinstance(value, str)]
    if chart.log_x and values and min(values) > 0:
        ticks = sorted(set(values))
        x |= {"type": "log", "range": [math.log10(min(values)) - 0.15, math.log10(max(values)) + 0.15]}
        if len(ticks) <= 8:
            words = [f"{100 * tick:g} %" if chart.x.startswith("share") else f"{tick:g}" for tick in ticks]
            x |= {"tickvals": ticks, "ticktext": words}
    y = _value_axis(chart) | {"title": {"text": plain(chart.y)}, "nticks": 6}
    shapes = []
    if chart.diagonal:
        line = {"color": "@muted", "width": 1, "dash": "dot"}
        shapes = [{"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": line, "layer": "below"}]
    return {"xaxis": x, "yaxis": y, "shapes": shapes, "margin": {"l": 58, "r": 22, "t": 14, "b": 48},
            "height": 320 if narrow else 380}  # fmt: skip


def _bar_layout(chart: Chart, narrow: bool) -> dict[str, Any]:
    labels = [str(label) for series in chart.series for label in series.x]
    count = len(dict.fromkeys(labels))
    longest = max((min(len(label), 24) for label in labels), default=4) * LETTER + 16
    means = [mean for series in chart.series for mean in _means(series.y) if mean is not None]
    room = 1.16 if len(chart.series) == 1 else 1.05
    axis = _value_axis(chart) | {"title": {"text": plain(chart.y)}, "nticks": 5}
    low, high = min([0.0, *means]), max([0.0, *means])
    axis |= {"range": [low * room, max(high * room, 1e-6)]}
    return {
        "xaxis": axis,
        "yaxis": {"autorange": "reversed", "showgrid": False, "tickmode": "linear", "dtick": 1},
        "margin": {"l": min(longest, 130 if narrow else 190), "r": 18, "t": 8, "b": 44},
        "height": 70 + count * max(26, 15 * len(chart.series) + 10),
        "barmode": "group",
        "bargap": 0.28,
    }


def _value_axis(chart: Chart) -> dict[str, Any]:
    if chart.unit == "percent":
        return {"tickformat": ".0%"}
    return {"tickformat": "+.1%"} if chart.unit == "points" else {}


def _means(values: Sequence[Estimate | None]) -> list[float | None]:
    return [None if value is None else round(value.mean, 6) for value in values]


def _intervals(values: Sequence[Estimate | None], colour: str) -> dict[str, Any]:
    return whiskers([(one.low, one.mean, one.high) if one else (None, None, None) for one in values], colour)


def _said(chart: Chart, series: Series) -> list[str]:
    found = []
    for at, (x, value) in enumerate(zip(series.x, series.y, strict=True)):
        place = series.labels[at] if at < len(series.labels) else f"{chart.x} {x:.4g}" if not isinstance(x, str) else x
        text = "–" if value is None else _number(value.mean, chart)
        if value is not None and value.low is not None and value.high is not None:
            text += f" ({_number(value.low, chart)} to {_number(value.high, chart)})"
        found.append(plain(f"{series.name}, {place}: {text}"))
    return found


def _number(value: float | None, chart: Chart) -> str:
    if value is None:
        return ""
    if chart.unit == "percent":
        return f"{100 * value:.1f} %"
    return f"{100 * value:+.1f}" if chart.unit == "points" else f"{value:.3g}"


def _legend_rows(names: Sequence[str], width: float) -> int:
    widest = max(len(name) for name in names) * LETTER + 50
    return math.ceil(len(names) / max(1, int(width // widest)))
