"""The table and the figure of `time_to_accuracy`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.curves import Point, reached, seconds

Row = Mapping[str, Any]
PUBLISHED = "AdaMerging as published"
"""Whose last step is the mark."""
LEAST = 0.01
"""Seconds at which the logarithmic axis begins: some models are there at once."""


@dataclass(frozen=True)
class Curve:
    """One way on one suite, seed by seed."""

    title: str
    guarded: bool
    runs: Sequence[Sequence[Point]]

    @property
    def accuracy(self) -> float:
        """Of the models that are kept, mean over the seeds."""
        return statistics.fmean(run[-1].accuracy for run in self.runs)

    @property
    def seconds(self) -> float:
        """Of whole runs, mean over the seeds."""
        return statistics.fmean(seconds(run[-1], guarded=self.guarded) for run in self.runs)

    @property
    def best(self) -> float:
        """The most accurate point, over all seeds."""
        return max(point.accuracy for run in self.runs for point in run)

    def reached(self, accuracy: float) -> float | None:
        """Seconds to this accuracy with the slowest seed; None where a seed never gets there."""
        found = [reached(run, accuracy, guarded=self.guarded) for run in self.runs]
        known = [one for one in found if one is not None]
        return max(known) if len(known) == len(found) else None


def curves(rows: Sequence[Row]) -> dict[str, dict[str, Curve]]:
    """Suite -> title -> curve, as they were measured."""
    runs: dict[tuple[str, str], list[list[Point]]] = {}
    guarded: dict[str, bool] = {}
    for row in rows:
        runs.setdefault((row["suite"], row["title"]), []).append([Point(**point) for point in row["points"]])
        guarded[row["title"]] = row["values"].get("keep_step") == "best"
    found: dict[str, dict[str, Curve]] = {}
    for (suite, title), own in runs.items():
        found.setdefault(suite, {})[title] = Curve(title, guarded[title], own)
    return found


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of Markdown: a table for each suite, what reaches the mark soonest first."""
    for suite, own in curves(rows).items():
        mark = own[PUBLISHED]
        yield f"{suite}: AdaMerging ends at {100 * mark.accuracy:.1f} %; its best point is {100 * mark.best:.1f} %.\n"
        yield "| curve | accuracy, % | seconds | as accurate as AdaMerging's end after | share of its time |"
        yield "|---|---|---|---|---|"
        for curve in sorted(own.values(), key=lambda one: _order(one, mark)):
            at = curve.reached(mark.accuracy)
            told = ["", ""] if at is None else [f"{at:.2f}", f"1/{mark.seconds / max(at, LEAST):.0f}"]
            yield f"| {' | '.join([curve.title, f'{100 * curve.accuracy:.1f}', f'{curve.seconds:.1f}', *told])} |"
        yield ""


def _order(curve: Curve, mark: Curve) -> tuple[float, float]:
    at = curve.reached(mark.accuracy)
    return (float("inf") if at is None else at, -curve.accuracy)


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Everything that was measured, rounded."""
    return [
        {key: value for key, value in row.items() if key not in ("key", "points")}
        | {"points": [{name: round(value, 4) for name, value in point.items()} for point in row["points"]]}
        for row in rows
    ]


def draw(rows: Sequence[Row]) -> Any:
    """A Plotly figure with a row of axes for each suite; data-free methods are points."""
    from plotly.subplots import make_subplots  # Only a figure needs it.

    found = curves(rows)
    figure = make_subplots(rows=len(found), cols=1, subplot_titles=list(found), vertical_spacing=0.06)
    for at, own in enumerate(found.values(), 1):
        for curve in own.values():
            run = curve.runs[0]
            figure.add_scatter(
                x=[max(LEAST, seconds(point, guarded=curve.guarded)) for point in run],
                y=[100 * point.accuracy for point in run],
                text=[f"step {point.step}" for point in run],
                name=curve.title, mode="lines+markers", legendgroup=curve.title, showlegend=at == 1, row=at, col=1,
            )  # fmt: skip
        figure.add_hline(y=100 * own[PUBLISHED].accuracy, line_dash="dot", row=at, col=1)
    figure.update_xaxes(type="log", title="processor seconds of learning")
    figure.update_yaxes(title="accuracy on test images, %")
    return figure.update_layout(height=560 * len(found))
