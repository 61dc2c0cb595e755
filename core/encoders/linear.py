"""The frozen linear head of a task."""

from __future__ import annotations

from torch import Tensor, nn


def logits(features: Tensor, head: Tensor) -> Tensor:
    """Features `[N, width]` and a head `[classes, width]`, or `[classes, width + 1]` whose last column is its bias ->
    logits `[N, classes]`."""
    if head.shape[1] == features.shape[1]:
        return features @ head.T
    return nn.functional.linear(features, head[:, :-1], head[:, -1])
