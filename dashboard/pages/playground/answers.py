"""From logits to what the page shows; pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dashboard.pages.playground.shapes import Shown

TOP = 5
SHOWN = 24
"""Mistakes that are shown of one task."""


def top(logits: Tensor, classes: Sequence[str], truth: int | None = None) -> list[Shown]:
    """The most probable classes of one image `[C]`, the true one added where it is not among them."""
    shares = logits.float().softmax(-1)
    order = [int(place) for place in shares.argsort(descending=True, stable=True)[:TOP]]
    if truth is not None and truth not in order:
        order[-1] = truth
    return [
        {"label": classes[place], "share": round(float(shares[place]), 4), "true": place == truth} for place in order
    ]


def confusion(truth: Tensor, said: Tensor, classes: int) -> Tensor:
    """How often images of class i (row) were called class j (column), int64 `[C, C]`."""
    return torch.bincount(truth * classes + said, minlength=classes * classes).reshape(classes, classes)


def mistakes(truth: Tensor, merged: Tensor, expert: Tensor) -> list[int]:
    """Images that the merged model gets wrong and the expert right, the surest mistakes first; logits are `[N, C]`."""
    said, right = merged.argmax(1), expert.argmax(1) == truth
    sure = merged.float().softmax(1).amax(1)
    chosen = ((said != truth) & right).nonzero().flatten()
    return [int(place) for place in chosen[sure[chosen].argsort(descending=True, stable=True)]]


def spread(labels: Tensor | None, count: int, wanted: int) -> list[int]:
    """Indices of up to `wanted` images, class after class, so that many classes are seen."""
    if count <= wanted:
        return list(range(count))
    if labels is None:
        return [int(place) for place in torch.linspace(0, count - 1, wanted).long()]
    order = torch.argsort(labels, stable=True)
    turn = torch.cat([torch.arange(int(size)) for size in torch.bincount(labels)])
    # First the first image of every class, then the second of every class …
    ranked = order[torch.argsort(turn, stable=True)]
    classes = int((labels.bincount() > 0).sum())
    if classes <= wanted:
        return [int(place) for place in ranked[:wanted]]
    return [int(ranked[place]) for place in torch.linspace(0, classes - 1, wanted).long()]
