"""Figures of task-vector similarity; pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

import numpy as np

from core.insight.advice import Ordering
from core.insight.similarity import ALL
from dashboard.charts.figure import Figure, plain, shorten

Matrix = Sequence[Sequence[float | None]]
Lines = tuple[list[float | None], list[float | None]]
WORDS = {"cosine": "cosine", "conflict": "opposite signs"}
WRITTEN = 12
"""Numbers stand in the cells up to this many tasks."""
WRITTEN_NARROW = 8
"""The same on a phone, where they take the place of the colour scale."""
NAME, NAME_NARROW = 22, 12
"""Letters of a task's name."""


def branches(ordering: Ordering) -> Lines:
    """The tree of the clustering as one broken line: x in leaf positions, y in 1 − cosine."""
    count = len(ordering.leaves)
    place: dict[int, tuple[float, float]] = {leaf: (position, 0.0) for position, leaf in enumerate(ordering.leaves)}
    x: list[float | None] = []
    y: list[float | None] = []
    for number, (left, right, height, _size) in enumerate(ordering.tree):
        (x0, y0), (x1, y1) = place[int(left)], place[int(right)]
        x += [x0, x0, x1, x1, None]
        y += [y0, float(height), float(height), y1, None]
        place[count + number] = ((x0 + x1) / 2, float(height))
    return x, y


def matrix(
    tasks: Sequence[str],
    values: Mapping[str, Matrix],
    tree: Lines,
    measure: Literal["cosine", "conflict"],
    group: str = ALL,
    *,
    narrow: bool = False,
) -> Figure:
    """Every pair of tasks for one group of tensors, with the clustering tree above it.

    The colour range is that of all groups, so that groups can be compared; the first trace is the matrix.
    """
    middle = 0.5 if measure == "conflict" else 0.0
    reach = max(_furthest(values, middle), 0.02)
    labels = [plain(shorten(name, NAME_NARROW if narrow else NAME)) for name in tasks]
    places = list(range(len(tasks)))
    longest = max(len(label) for label in labels)
    written = len(tasks) <= (WRITTEN_NARROW if narrow else WRITTEN)
    unit, precise = (".0%", ".1%") if measure == "conflict" else (".2f", ".3f")
    heat = {
        "type": "heatmap",
        "x": places,
        "y": places,
        "z": values[group],
        "customdata": [[f"{plain(row)} and {plain(column)}" for column in tasks] for row in tasks],
        "zmin": middle - reach,
        "zmax": middle + reach,
        "colorscale": "@diverging",
        # What pulls apart is in the same colour in both: low cosines, many opposite signs.
        "reversescale": measure == "conflict",
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": f"<b>%{{customdata}}</b><br>{WORDS[measure]} %{{z:{precise}}}<extra></extra>",
        "showscale": not (narrow and written),
        "colorbar": {"x": 1.01, "nticks": 5, "len": 0.84, "y": 0.42, "tickformat": unit},
    }
    if written:
        heat |= {"texttemplate": f"%{{z:{unit}}}", "textfont": {"size": 10 if narrow else 11}}
    line = {"color": "@muted", "width": 1.2}
    clustering = {"x": tree[0], "y": tree[1], "yaxis": "y2", "mode": "lines", "line": line}
    heights = [height for height in tree[1] if height]
    low, high = (min(heights), max(heights)) if heights else (0.0, 1.0)
    room = max(high - low, 1e-3)
    ticks = {"tickvals": places, "ticktext": labels, "ticklabelstandoff": 4}
    ticks |= {"showgrid": False}
    side = min(longest * 6.7 + 14, 90 if narrow else 150)
    return {
        "data": [heat, clustering | {"hoverinfo": "skip"}],
        "layout": {
            "margin": {"l": side, "r": 12 if narrow and written else 62, "t": 4, "b": min(side * 0.75 + 12, 110)},
            "xaxis": ticks | {"range": [-0.5, len(tasks) - 0.5], "tickangle": -40},
            "yaxis": ticks | {"range": [len(tasks) - 0.5, -0.5], "domain": [0, 0.86]},
            "yaxis2": {
                "domain": [0.87, 1],
                "range": [low - 0.35 * room, high + 0.06 * room],
                "visible": False,
            },
            "height": min(620, 190 + 34 * len(tasks)),
        },
    }


def norms(
    tasks: Sequence[str],
    values: Sequence[float | None],
    *,
    narrow: bool = False,
) -> Figure:
    """Length of every task vector over one group of tensors, with the median as a line."""
    labels = [plain(shorten(name, NAME_NARROW if narrow else NAME)) for name in tasks]
    known = [value for value in values if value is not None]
    median = float(np.median(known)) if known else 0.0
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": list(values),
        "y": list(range(len(tasks))),
        "marker": {"color": "@accent"},
        "width": 0.62,
        "texttemplate": "%{x:.3~g}",
        "textposition": "inside",
        "insidetextanchor": "start",
        "textangle": 0,
        "textfont": {"color": "@card"},
        "customdata": [plain(task) for task in tasks],
        "hovertemplate": "<b>%{customdata}</b><br>‖τ‖ = %{x:.4~g}<extra></extra>",
    }
    line = {"color": "@text", "width": 1, "dash": "dot"}
    return {
        "data": [bars],
        "layout": {
            "margin": {"l": min(max(map(len, labels)) * 6.7 + 22, 104 if narrow else 150), "r": 16, "t": 6, "b": 30},
            "xaxis": {"rangemode": "tozero", "nticks": 5},
            "yaxis": {
                "range": [len(tasks) - 0.5, -0.5],
                "tickvals": list(range(len(tasks))),
                "ticktext": labels,
                "ticklabelstandoff": 4,
                "showgrid": False,
            },
            "shapes": [{"type": "line", "x0": median, "x1": median, "y0": 0, "y1": 1, "yref": "paper", "line": line}],
            "height": 70 + 27 * len(tasks),
        },
    }


def depth(groups: Sequence[str], cosine: Mapping[str, Matrix], *, narrow: bool = False) -> Figure:
    """Mean cosine of all pairs over depth, between the least and the most similar pair."""
    pairs = [_pairs(cosine[group]) for group in groups]
    places = list(range(len(groups)))
    mean, low, high = ([pick(found) if found else None for found in pairs] for pick in (fmean, min, max))
    edge = {"x": places, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    band = {"fill": "tonexty", "fillcolor": "@accent 0.16"}
    line = {
        "x": places,
        "y": mean,
        "mode": "lines+markers",
        "line": {"color": "@accent", "width": 2},
        "marker": {"size": 7},
        "customdata": [
            [plain(name), *(None if bound is None else round(bound, 3) for bound in bounds)]
            for name, *bounds in zip(groups, low, high, strict=True)
        ],
        "hovertemplate": "<b>%{customdata[0]}</b><br>mean %{y:.3f}<br>from %{customdata[1]} to %{customdata[2]}"
        "<extra></extra>",
    }
    every = max(1, -(-len(groups) // (5 if narrow else 14)))
    zero = {"color": "@muted", "width": 1, "dash": "dot"}
    return {
        "data": [edge | {"y": low}, edge | {"y": high} | band, line],
        "layout": {
            "margin": {"l": 46, "r": 14, "t": 8, "b": 34},
            "xaxis": {
                "tickvals": places[::every],
                "ticktext": [_short(name, narrow) for name in groups[::every]],
                "range": [-0.4, len(groups) - 0.6],
                "showgrid": False,
            },
            "yaxis": {"nticks": 6, "tickformat": ".2f", "title": {"text": "cosine"}},
            "shapes": [{"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": 0, "y1": 0, "line": zero}],
            "height": 250,
        },
    }


def _short(name: str, narrow: bool) -> str:
    number = name.removeprefix("block ")
    if number != name:
        return plain(number)
    return plain({"embedding": "emb", "output": "out"}.get(name, name) if narrow else name)


def _furthest(values: Mapping[str, Matrix], middle: float) -> float:
    return max(
        (abs(value - middle) for part in values.values() for line in part for value in line if value is not None),
        default=0.0,
    )


def _pairs(values: Matrix) -> list[float]:
    return [value for row, line in enumerate(values) for value in line[row + 1 :] if value is not None]
