"""Profiles of λ: mean by depth, and its distribution over the tensors of each task."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard.charts import palette
from dashboard.charts.columns import ticks
from dashboard.charts.figure import Figure, plain
from dashboard.charts.figures.axes import bar, end_labels, faint, limits, names_of_tasks, room, task_axis
from dashboard.charts.history import Floats, History
from dashboard.charts.palette import ThemeName

HEIGHT = 280


def depth_profile(history: History, step: int | None = None, *, theme: ThemeName = "light") -> Figure:
    """Mean λ of each block, one line a task; shaded: the middle 80 % of all tasks' tensors."""
    colours, values, spans = palette.THEMES[theme], history.values(step), ticks(history.columns)
    x = list(range(len(spans)))
    means = np.stack([values[:, first : last + 1].mean(axis=1) for _block, first, last in spans], axis=1)
    low80, high80 = (_quantile(values, spans, share) for share in (0.1, 0.9))
    edge: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip"}
    data = [{**edge, "y": low80}, {**edge, "y": high80, "fill": "tonexty", "fillcolor": faint(colours.accent, 0.12)}]
    blocks = [plain(block) for block, _first, _last in spans]
    for task, line in zip(history.tasks, means, strict=True):
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x,
                "y": line.round(5).tolist(),
                "text": blocks,
                "opacity": 0.7,
                "line": {"width": 1.2, "color": colours.muted},
                "hovertemplate": f"<b>{plain(task)}</b><br>%{{text}}<br>mean λ = %{{y:.3f}}<extra></extra>",
            }
        )
    overall = means.mean(axis=0)
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": overall.round(5).tolist(),
            "text": blocks,
            "line": {"width": 2.5, "color": colours.accent},
            "hovertemplate": "<b>mean of the tasks</b><br>%{text}<br>λ = %{y:.3f}<extra></extra>",
        }
    )
    low, high = limits([*means.ravel().tolist(), *low80, *high80], 0.02, 0.06)
    margin = {"l": 46, "r": room([*history.tasks, "mean"], 176), "t": 8, "b": 28}
    labels = [(float(overall[-1]), "mean", colours.accent), *names_of_tasks(means[:, -1], history.tasks, colours)]
    texts = [block.removeprefix("block ") for block in blocks]
    return {
        "data": data,
        "layout": {
            "height": HEIGHT,
            "margin": margin,
            "yaxis": {"range": [low, high], "nticks": 5},
            "xaxis": {"range": [-0.3, len(spans) - 0.7], "tickmode": "array", "tickvals": x, "ticktext": texts},
            "annotations": end_labels(labels, x[-1], low, high, HEIGHT - margin["t"] - margin["b"]),
        },
    }


def task_profile(history: History, step: int | None = None, *, theme: ThemeName = "light") -> Figure:
    """For each task the range, the middle half and the mean of λ over all tensors; ○ is the mean at the first step."""
    colours, values = palette.THEMES[theme], history.values(step)
    rows = list(range(len(history.tasks)))
    quartiles = np.quantile(values, [0, 0.25, 0.75, 1], axis=1).T.round(5).tolist()
    low, high = limits(values.ravel().tolist(), 0.02, 0.04)
    shapes = [
        shape
        for row, (least, first, third, most) in enumerate(quartiles)
        for shape in (
            bar(row, least, most, faint(colours.accent, 0.8), 2),
            bar(row, first, third, faint(colours.accent, 0.45), 9),
        )
    ]
    marks = [
        (
            "mean λ at step 0",
            history.coefficients[0],
            {"symbol": "circle-open", "size": 8, "color": colours.text, "line": {"width": 1.5}},
        ),
        ("mean λ", values, {"size": 11, "color": colours.accent}),
    ]
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": of.mean(axis=1).round(5).tolist(),
            "y": rows,
            "marker": marker,
            "customdata": [plain(task) for task in history.tasks],
            "hovertemplate": f"<b>%{{customdata}}</b><br>{words}: %{{x:.3f}}<extra></extra>",
        }
        for words, of, marker in marks
    ]
    return {
        "data": data,
        "layout": {
            "height": max(180, 25 * len(rows) + 36),
            "margin": {"l": room(history.tasks), "r": 20, "t": 6, "b": 26},
            "xaxis": {"range": [low, high]},
            "yaxis": task_axis(history.tasks),
            "shapes": shapes,
        },
    }


def _quantile(values: Floats, spans: list[tuple[str, int, int]], share: float) -> list[float]:
    return [round(float(np.quantile(values[:, first : last + 1], share)), 5) for _block, first, last in spans]
