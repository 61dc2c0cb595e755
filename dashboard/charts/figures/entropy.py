"""Prediction entropy over steps: a thin line for each task, the mean in front, names at the ends of the lines."""

from __future__ import annotations

import numpy as np

from dashboard.charts import palette
from dashboard.charts.figure import Figure, plain
from dashboard.charts.figures.axes import end_labels, names_of_tasks, numbers, room
from dashboard.charts.history import Floats, History
from dashboard.charts.palette import ThemeName

HEIGHT = 300


def entropy(history: History, *, theme: ThemeName = "light") -> Figure:
    """Nats per image, averaged over the last few steps; steps that measured none are left out."""
    colours = palette.THEMES[theme]
    measured = np.isfinite(history.entropies).any(axis=1)
    steps = np.array(history.steps, int)[measured].tolist()
    lines = trailing_mean(history.entropies[measured], window(len(steps)))
    means = trailing_mean(np.nanmean(history.entropies[measured], axis=1, keepdims=True), window(len(steps)))[:, 0]
    high = 1.06 * float(np.nanmax(lines))
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": steps,
            "y": numbers(line),
            "opacity": 0.65,
            "line": {"width": 1.2, "color": colours.muted},
            "hovertemplate": f"<b>{plain(task)}</b><br>step %{{x}}<br>%{{y:.3f}} nats<extra></extra>",
        }
        for task, line in zip(history.tasks, lines.T, strict=True)
    ]
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": steps,
            "y": numbers(means),
            "line": {"width": 2.6, "color": colours.accent},
            "hovertemplate": "<b>mean of the tasks</b><br>step %{x}<br>%{y:.3f} nats<extra></extra>",
        }
    )
    margin = {"l": 42, "r": room([*history.tasks, "mean 0.00"], 176), "t": 8, "b": 38}
    labels = [
        (float(means[-1]), f"mean {means[-1]:.2f}", colours.accent),
        *names_of_tasks(lines[-1], history.tasks, colours),
    ]
    return {
        "data": traces,
        "layout": {
            "height": HEIGHT,
            "margin": margin,
            "xaxis": {"range": [0, max(history.total, 1)], "title": {"text": "step"}},
            "yaxis": {"range": [0, high], "nticks": 5},
            "annotations": end_labels(labels, steps[-1], 0.0, high, HEIGHT - margin["t"] - margin["b"]),
        },
    }


def window(steps: int) -> int:
    """Over how many steps the lines are averaged."""
    return max(1, min(25, round(steps / 12)))


def trailing_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` finite rows of `[S, K]`, so that the newest value is the present one."""
    known = np.isfinite(values)
    sums, counts = (np.cumsum(part, axis=0, dtype=np.float64) for part in (np.where(known, values, 0), known))
    sums[window:], counts[window:] = sums[window:] - sums[:-window], counts[window:] - counts[:-window]
    found: Floats = np.divide(sums, counts, out=np.full(values.shape, np.nan), where=counts > 0).astype(np.float32)
    return found
