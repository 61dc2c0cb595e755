"""The confusion matrix as a figure; pure."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dashboard.charts.figure import Figure, plain, shorten

LABELLED = 36
"""Classes up to which every one is named on the axes."""
WRITTEN = 12
"""Classes up to which counts stand in the cells."""


def confusion(counts: Tensor, classes: Sequence[str], *, narrow: bool = False) -> Figure:
    """Rows: true class, columns: what the model said; colour is the share of the row's images."""
    totals = counts.sum(1, keepdim=True)
    shares = (counts / totals.clamp(min=1)).tolist()
    places = list(range(len(classes)))
    longest = 8 if narrow else 14
    every = 1 if len(classes) <= LABELLED else -(-len(classes) // LABELLED)
    if narrow:
        every = max(every, -(-len(classes) // 14))
    labels = [plain(shorten(name, longest)) for name in classes[::every]]
    side = min(max(len(label) for label in labels) * 6.6 + 14, 110)
    words = [
        [
            f"{plain(true)} taken for {plain(said)}: {int(counts[row, column])} of {int(totals[row])}"
            for column, said in enumerate(classes)
        ]
        for row, true in enumerate(classes)
    ]
    ticks = {
        "tickvals": places[::every],
        "ticktext": labels,
        "showgrid": False,
    }
    heat = {
        "type": "heatmap",
        "x": places,
        "y": places,
        "z": [[None if value == 0 else value for value in row] for row in shares],
        "zmin": 0,
        "zmax": 1,
        "colorscale": "@sequential",
        "xgap": 1 if len(classes) <= LABELLED else 0,
        "ygap": 1 if len(classes) <= LABELLED else 0,
        "customdata": words,
        "hovertemplate": "%{customdata}<extra></extra>",
        "showscale": not narrow,
        "colorbar": {"x": 1.01, "tickformat": ".0%", "nticks": 5,
                     "ticks": ""},
    }  # fmt: skip
    if len(classes) <= (10 if narrow else WRITTEN):
        written = [[value or "" for value in row] for row in counts.tolist()]
        heat |= {"text": written, "texttemplate": "%{text}", "textfont": {"size": 11}}
    title = {"font": {"size": 12}, "standoff": 4}
    return {
        "data": [heat],
        "layout": {
            "margin": {"l": side + 22, "r": 10 if narrow else 56, "t": 6, "b": side * 0.8 + 30},
            "xaxis": ticks
            | {"range": [-0.5, len(places) - 0.5], "tickangle": -50, "title": title | {"text": "predicted class"}},
            "yaxis": ticks | {"range": [len(places) - 0.5, -0.5], "title": title | {"text": "true class"}},
            "height": 360 if narrow else min(640, max(380, 130 + 17 * len(places))),
        },
    }
