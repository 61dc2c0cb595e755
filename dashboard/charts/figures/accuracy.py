"""Accuracy by task: where the merged model stands between base and expert, and how it got there."""

from __future__ import annotations

from typing import Any

from dashboard.charts import palette
from dashboard.charts.figure import Figure, plain, shorten
from dashboard.charts.figures.axes import bar, faint, limits, room, task_axis
from dashboard.charts.history import History
from dashboard.charts.palette import Palette, ThemeName

ACROSS = 4
"""Small charts beside each other."""


def accuracy_by_task(history: History, step: int | None = None, *, theme: ThemeName = "light") -> Figure:
    """One row a task: base ○, Task Arithmetic ◆, merged ● with its 95 % interval, expert |."""
    colours, now = palette.THEMES[theme], at_step(history, step)
    marks = beside(history, now["full"] if now else None)
    named = {mark["name"]: mark["values"] for mark in marks}
    known = _known(marks, [now] if now else history.evaluations)
    low = max(0.0, int(min(known, default=0.0) * 10 - 0.2) / 10)
    shapes = [
        bar(row, _or(named.get("base"), row, low), _or(named.get("expert"), row, 1.0), colours.line, 4)
        for row in range(len(history.tasks))
    ]
    looks = _marks(colours)
    data = [_dots(history, mark["values"], mark["title"], looks[mark["name"]]) for mark in marks]
    annotations: list[dict[str, Any]] = []
    if now is not None:
        shapes += [
            bar(row, now["low"][row], now["high"][row], faint(colours.accent, 0.35), 6)
            for row in range(len(history.tasks))
            if now["low"][row] is not None
        ]
        data.append(_dots(history, now["accuracy"], f"step {now['step']}", {"size": 12, "color": colours.accent}))
        annotations = [
            {
                "x": 1,
                "xref": "paper",
                "y": row,
                "yref": "y",
                "xanchor": "left",
                "xshift": 12,
                "showarrow": False,
                "text": "–" if value is None else f"{100 * value:.1f} %",
                "font": {"size": 12, "color": colours.text},
            }
            for row, value in enumerate(now["accuracy"])
        ]
    return {
        "data": data,
        "layout": {
            "height": max(252, 25 * len(history.tasks) + 40),
            "margin": {"l": room(history.tasks), "r": 58, "t": 6, "b": 26},
            "xaxis": {"range": [low, 1.008], "tickformat": ".0%", "nticks": 8},
            "yaxis": task_axis(history.tasks),
            "shapes": shapes,
            "annotations": annotations,
        },
    }


def accuracy_over_steps(history: History, *, theme: ThemeName = "light") -> Figure:
    """A small chart for each task, with base (dotted), expert (solid) and Task Arithmetic (dashed) as lines.

    Measurements on a sample are joined; those on all test images stand alone, since their difference is no progress.
    """
    colours, count = palette.THEMES[theme], len(history.tasks)
    across = min(ACROSS, count)
    down = -(-count // across)
    sampled = [one for one in history.evaluations if not one["full"]]
    marks = beside(history, not sampled if history.evaluations else None)
    low, high = limits(_known(marks, history.evaluations), 0.1, 0.2)
    layout: dict[str, Any] = {
        "height": 118 * down + 30,
        "margin": {"l": 40, "r": 10, "t": 20, "b": 24},
        "shapes": [],
        "annotations": [],
    }
    data: list[dict[str, Any]] = []
    series = _series(history, colours)
    wide, tall = (1 - 0.045 * (across - 1)) / across, (1 - 0.14 * (down > 1)) / down
    for place, task in enumerate(history.tasks):
        name, left = str(place + 1) if place else "", place % across * (wide + 0.045)
        top = 1 - place // across * (tall + 0.14 / max(1, down - 1))
        layout[f"xaxis{name}"] = {
            "domain": [left, left + wide],
            "anchor": f"y{name}",
            "range": [0, max(history.total, 1)],
            "nticks": 3,
            "showticklabels": place + across >= count,
        }
        layout[f"yaxis{name}"] = {
            "domain": [max(0.0, top - tall), top],
            "anchor": f"x{name}",
            "range": [low, high],
            "tickformat": ".0%",
            "nticks": 4,
            "showticklabels": place % across == 0,
        }
        layout["shapes"] += [
            {
                "type": "line",
                "xref": f"x{name} domain",
                "x0": 0,
                "x1": 1,
                "yref": f"y{name}",
                "y0": y,
                "y1": y,
                "line": line,
            }
            for y, line in _lines(marks, place, colours)
        ]
        layout["annotations"].append(
            {
                "text": plain(shorten(task, 26)),
                "x": 0,
                "xref": f"x{name} domain",
                "y": 1,
                "xanchor": "left",
                "yref": f"y{name} domain",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 12, "color": colours.text},
            }
        )
        data += [_points(those, place, task, name, look) for those, look in series]
    return {"data": data, "layout": layout}


def _series(history: History, colours: Palette) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Measurements on a sample and on all images, each with its look."""
    full = [one for one in history.evaluations if one["full"]]
    sampled = [one for one in history.evaluations if not one["full"]]
    joined = {"mode": "lines+markers", "marker": {"size": 5, "color": colours.accent}}
    joined |= {"line": {"color": colours.accent, "width": 2}}
    ring = {"symbol": "circle-open", "size": 10, "color": colours.accent, "line": {"width": 2}}
    found = [(sampled, joined), (full, {"mode": "markers", "marker": ring})] if sampled else [(full, joined)]
    return [(those, look) for those, look in found if those]


def _points(those: list[dict[str, Any]], place: int, task: str, axis: str, look: dict[str, Any]) -> dict[str, Any]:
    images = ["all test images" if one["full"] else f"{one['images']} images" for one in those]
    return {
        "type": "scatter",
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "x": [one["step"] for one in those],
        "y": [one["accuracy"][place] for one in those],
        "customdata": images,
        "cliponaxis": False,
        "hovertemplate": f"<b>{plain(task)}</b><br>step %{{x}}: %{{y:.1%}} of %{{customdata}}<extra></extra>",
        **look,
    }


def at_step(history: History, step: int | None) -> dict[str, Any] | None:
    """The newest measurement not after `step`."""
    return next((one for one in reversed(history.evaluations) if step is None or one["step"] <= step), None)


def beside(history: History, full: bool | None) -> list[dict[str, Any]]:
    """The marks on the images of the dots: all of them, or the sample; None, where there are no dots: what is known."""
    if full is None:
        return history.marks["full"] or history.marks["sample"]
    return history.marks["full" if full else "sample"]


def _known(marks: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[float]:
    lists = [*(mark["values"] for mark in marks), *(one["accuracy"] for one in measured)]
    return [value for values in lists for value in values if value is not None]


def _or(values: list[float | None] | None, row: int, otherwise: float) -> float:
    value = values[row] if values else None
    return otherwise if value is None else value


def _marks(colours: Palette) -> dict[str, dict[str, Any]]:
    return {
        "base": {"symbol": "circle-open", "size": 9, "color": colours.muted, "line": {"width": 1.5}},
        "expert": {"symbol": "line-ns-open", "size": 13, "color": colours.text, "line": {"width": 2.2}},
        "task_arithmetic": {"symbol": "diamond", "size": 9, "color": colours.warm},
    }


def _lines(marks: list[dict[str, Any]], place: int, colours: Palette) -> list[tuple[float, dict[str, Any]]]:
    styles = {
        "base": {"color": colours.muted, "width": 1, "dash": "dot"},
        "expert": {"color": colours.text, "width": 1.4},
        "task_arithmetic": {"color": colours.warm, "width": 1.4, "dash": "dash"},
    }
    found = [(mark["values"][place], styles[mark["name"]]) for mark in marks]
    return [(value, style) for value, style in found if value is not None]


def _dots(history: History, values: list[float | None], words: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": list(range(len(values))),
        "marker": marker,
        "customdata": [plain(task) for task in history.tasks],
        "cliponaxis": False,
        "hovertemplate": f"<b>%{{customdata}}</b><br>{words} %{{x:.1%}}<extra></extra>",
    }
