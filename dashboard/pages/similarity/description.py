"""A `Similarity` as the plain values that the page shows: matrices in the clustered order, lengths, advice, figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor
from typing_extensions import TypedDict

from core.insight.advice import advise, ordering
from core.insight.similarity import ALL, Similarity
from core.problem.findings import Finding
from core.problem.grouping import by_depth
from dashboard.charts.figure import Widths, in_both_widths
from dashboard.pages.similarity import figures

Numbers = list[float | None]
"""NaN, of a zero task vector, is None."""


class Told(TypedDict):
    """One piece of advice."""

    kind: str
    title: str
    text: str


class Relations(TypedDict):
    """Everything the page needs. `groups` stand in the order of depth with `all` first; rows and columns of every
    matrix, and lengths, in the order of `tasks`."""

    tasks: list[str]
    groups: list[str]
    cosine: dict[str, list[Numbers]]
    conflict: dict[str, list[Numbers]]
    norms: dict[str, Numbers]
    advice: list[Told]
    figures: dict[str, Widths]


def describe(
    similarity: Similarity, titles: Mapping[str, str] | None = None, findings: Sequence[Finding] = ()
) -> Relations:
    """The experts' relations, in the clustered order."""
    known = titles or {}
    order = list(ordering(similarity.overall).leaves)
    names = [known.get(similarity.tasks[place]) or similarity.tasks[place] for place in order]
    groups = [ALL, *by_depth(name for name in similarity.groups if name != ALL)]
    parts = {name: similarity.groups[name] for name in groups}
    cosine = {name: _matrix(part.cosine, order) for name, part in parts.items()}
    conflict = {name: _matrix(part.conflict, order) for name, part in parts.items()}
    norms = {name: _plain(part.norms[order]) for name, part in parts.items()}
    tree = figures.branches(ordering(similarity.overall))
    return {
        "tasks": names,
        "groups": groups,
        "cosine": cosine,
        "conflict": conflict,
        "norms": norms,
        "advice": [
            {"kind": advice.kind, "title": advice.title, "text": advice.text}
            for advice in advise(similarity, known, findings)
        ],
        "figures": {
            "cosine": in_both_widths(figures.matrix, names, cosine, tree, "cosine"),
            "conflict": in_both_widths(figures.matrix, names, conflict, tree, "conflict"),
            "norms": in_both_widths(figures.norms, names, norms[ALL]),
            "depth": in_both_widths(figures.depth, groups[1:], cosine),
        },
    }


def _matrix(values: Tensor, order: list[int]) -> list[Numbers]:
    """In the clustered order; the diagonal, which says nothing, is empty."""
    matrix = values.numpy()[np.ix_(order, order)]
    return [[None if row == column else _number(value) for column, value in enumerate(line)]
            for row, line in enumerate(matrix)]  # fmt: skip


def _plain(values: Tensor) -> Numbers:
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 5)
