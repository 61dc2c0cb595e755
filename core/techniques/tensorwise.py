"""Merging one parameter tensor at a time: bounded memory, a place to pause at, and steps that show how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from core.problem.problem import Problem
from core.step import Outcome, Step
from core.techniques.depth import add_scaled
from core.techniques.spectral import FUSED

PARTS = 10
"""Steps that a method which works tensor by tensor reports: one for each tenth of the parameters."""

QKV = Literal["fused", "split"]
Merge = Callable[[str, Tensor], Tensor]
"""Name and τ `[K, *shape]` of one parameter tensor -> the merged task vector `[*shape]`."""


class Parts:
    """Turns the share of the work that is done into steps 0 to `PARTS` − 1; the last is the method's own."""

    def __init__(self) -> None:
        self._next = 0

    def until(self, share: float) -> Iterator[Step]:
        """The steps that are due once `share` (0…1) of the work is done."""
        while self._next < PARTS and self._next <= share * PARTS + 1e-9:
            yield Step(self._next)
            self._next += 1


def tensor_by_tensor(problem: Problem, merge: Merge, scale: float = 1.0, lines: float = 0.0) -> Iterator[Step]:
    """Steps 0 to `PARTS`; the last holds θ₀ + scale·(merged task vector), scaled by depth with `lines`."""
    vectors = problem.task_vectors
    merged = torch.empty_like(vectors.origin)
    parts = Parts()
    yield from parts.until(0)
    for name, span in zip(vectors.names, vectors.spans, strict=True):
        problem.tick()
        merged[span] = merge(name, vectors.delta(name).to(vectors.origin)).reshape(-1)
        vectors.passed(vectors.deltas[:, span])
        yield from parts.until(span.stop / len(merged))
    yield Step(PARTS, outcome=Outcome.of(add_scaled(vectors, merged, scale, lines)))


def matrices(merge: Callable[[Tensor], Tensor], qkv: QKV) -> Merge:
    """Apply `merge`, `[K, m, n]` -> `[m, n]`, to every 2-D tensor; everything else takes the mean of τ.

    With `split`, query, key and value are three matrices, as in Hugging Face's checkpoints; open_clip fuses them.
    """

    def apply(name: str, delta: Tensor) -> Tensor:
        if delta.dim() != 3:
            return delta.mean(0)
        if qkv == "split" and name.endswith(FUSED):
            return torch.cat([merge(part) for part in delta.chunk(3, dim=1)])
        return merge(delta)

    return apply
