"""λ as a heatmap: tasks down, depth across, a strip of tensor kinds below, block names on the axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard.charts import palette
from dashboard.charts.columns import KINDS, Column, ticks
from dashboard.charts.figure import Figure, plain
from dashboard.charts.figures.axes import limits, room, task_axis
from dashboard.charts.history import Floats, History
from dashboard.charts.palette import Palette, ThemeName


def coefficients(history: History, step: int | None = None, *, theme: ThemeName = "light") -> Figure:
    """λ at a step (None: the last); the colour range is that of all steps."""
    colours = palette.THEMES[theme]
    low, high = limits([float(history.coefficients.min()), float(history.coefficients.max())])
    return _heatmap(history, history.values(step), colours, {"zmin": low, "zmax": high}, "λ", colours.sequential)


def coefficients_changed(history: History, step: int | None = None, *, theme: ThemeName = "light") -> Figure:
    """λ at a step minus λ at the first step."""
    colours = palette.THEMES[theme]
    change = history.values(step) - history.coefficients[0]
    span = limits([0.0, float(np.abs(change).max())], 0.02, 0.02)[1]
    return _heatmap(history, change, colours, {"zmin": -span, "zmax": span}, "Δλ", colours.diverging)


def _heatmap(
    history: History, rows: Floats, colours: Palette, span: dict[str, float], unit: str, scale: tuple[str, ...]
) -> Figure:
    columns = history.columns
    several = len({column.kind for column in columns}) > 1
    names = [plain(describe(column)) for column in columns]
    cells = {
        "type": "heatmap",
        "z": rows.round(5).tolist(),
        "x": names,
        "y": [plain(task) for task in history.tasks],
        **span,
        "xgap": 1,
        "ygap": 2,
        "colorscale": palette.colourscale(scale),
        "hovertemplate": f"<b>%{{y}}</b><br>%{{x}}<br>{unit} = %{{z:.3f}}<extra></extra>",
        "colorbar": {
            "thickness": 8,
            "outlinewidth": 0,
            "x": 1.012,
            "xpad": 0,
            "nticks": 5,
            "ticks": "",
            "title": {"text": unit, "side": "top", "font": {"size": 12}},
        },
    }
    spans = ticks(columns)
    bottom = 0.06 if several else 0.0
    layout = {
        "height": max(236, 24 * len(history.tasks) + 70),
        "margin": {"l": room(history.tasks), "r": 60, "t": 8, "b": 28},
        "xaxis": {
            "type": "category",
            "range": [-0.5, len(columns) - 0.5],
            "showgrid": False,
            "tickmode": "array",
            "tickangle": 0,
            "anchor": "y2" if several else "y",
            **_block_ticks(spans),
        },
        "yaxis": {**task_axis(history.tasks), "type": "category", "domain": [bottom, 1]},
        "yaxis2": {"domain": [0, bottom / 2], "visible": False},
        "shapes": _separators(spans, colours) if len(spans) <= len(columns) / 2 else [],
    }
    return {"data": [cells, _kinds(columns, names, colours)] if several else [cells], "layout": layout}


def describe(column: Column) -> str:
    """A column in words: block and short name."""
    return column.block if column.label == column.block else f"{column.block} · {column.label}"


def _kinds(columns: tuple[Column, ...], names: list[str], colours: Palette) -> dict[str, Any]:
    scale = [[(place + edge) / len(KINDS), colours.kinds[kind]] for place, kind in enumerate(KINDS) for edge in (0, 1)]
    return {
        "type": "heatmap",
        "yaxis": "y2",
        "x": names,
        "y": [0],
        "showscale": False,
        "zmin": 0,
        "zmax": len(KINDS),
        "z": [[KINDS.index(column.kind) + 0.5 for column in columns]],
        "colorscale": scale,
        "text": [[column.kind for column in columns]],
        "hovertemplate": "%{text}: %{x}<extra></extra>",
    }


def _separators(spans: list[tuple[str, int, int]], colours: Palette) -> list[dict[str, Any]]:
    line = {"color": colours.card, "width": 3}
    return [
        {"type": "line", "x0": first - 0.5, "x1": first - 0.5, "y0": 0, "y1": 1, "yref": "paper", "line": line}
        for _block, first, _last in spans[1:]
    ]


def _block_ticks(spans: list[tuple[str, int, int]]) -> dict[str, Any]:
    """`block` is written once; further blocks carry their number only."""
    texts, named = [], False
    for block, _first, _last in spans:
        texts.append(plain(block.removeprefix("block ") if named else block))
        named = named or block.startswith("block ")
    return {"tickvals": [(first + last) / 2 for _block, first, last in spans], "ticktext": texts}
