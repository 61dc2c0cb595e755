"""Singular value calibration (SVC): directions that several tasks share, and a merge counts more than once, weakened.

SVC (Li et al., ICML 2026), algorithm 1: for M = Σ_r σ_r u_r v_rᵀ, the merged update of one matrix,
s_kr = ⟨u_rᵀM, u_rᵀτ_k⟩ / ‖u_rᵀτ_k‖² tells how often M counts what task k does along u_r, and σ_r is multiplied by
K / Σ_k max(α, s_kr).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.problem.sharing.share import Share, act
from core.problem.sharing.vectors import SharedVectors
from core.problem.task_vectors import TaskVectors
from core.techniques.spectral import directions

LOST = 10
"""What is smaller than so many units in the last place of a matrix counts as zero, as in `directions`."""


def calibrated(vectors: TaskVectors, change: Tensor, alpha: float, tick: Callable[[], None]) -> Tensor:
    """θ − θ₀ `[D]` with every matrix calibrated; what is no matrix, and the embedding of positions, stays as it is."""
    if isinstance(vectors, SharedVectors):
        made = change.clone()
        vectors.tell(calibrate_own, alpha=alpha)
        calibrate_own(vectors.share, number=vectors.number.value, alpha=alpha, whole=made, tick=tick)
        return made
    made = change.clone()
    for name, span, shape in zip(vectors.names, vectors.spans, vectors.shapes, strict=True):
        if len(shape) == 2 and not name.endswith("embedding"):
            tick()
            merged = change[span].view(shape)
            made[span] = calibrate(merged, vectors.delta(name).to(merged), alpha).reshape(-1)
            vectors.passed(vectors.deltas[:, span])
    return made


@act
def calibrate_own(
    share: Share,
    *,
    number: int,
    alpha: float,
    whole: Tensor | None = None,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """`calibrated` of the matrices of one process; `whole`, of process 0, is calibrated in place."""
    own = share.team.scatter(share.origin.new_empty(share.origin.shape), share.columns, whole)
    whole = torch.empty_like(share.whole.origin) if whole is None else whole
    whole[share.here] = calibrated(share.vectors(number), own, alpha, tick)
    share.team.all_gather(whole, share.columns)


def calibrate(merged: Tensor, deltas: Tensor, alpha: float) -> Tensor:
    """M `[m, n]` and τ `[K, m, n]` -> the calibrated M.

    Directions with equal singular values are arbitrary one by one, so they count together: what they span is not.
    """
    u, s, vt = directions(merged)
    rounding = LOST * torch.finfo(s.dtype).eps
    together, each = s[:, None] * vt, u.T @ deltas
    group = torch.cat([s.new_zeros(1), (s[:-1] - s[1:] > rounding * s.norm()).cumsum(0)])[: len(s)].long()

    def pooled(values: Tensor) -> Tensor:
        return torch.zeros_like(values).index_add_(1, group, values)[:, group]

    sizes = pooled(each.square().sum(-1))
    # Of a task that does nothing along a direction, rounding leaves a response of any direction and of no size.
    sizes[sizes.sqrt() <= rounding * deltas.flatten(1).norm(dim=1)[:, None]] = torch.inf
    counted = pooled((together * each).sum(-1)) / sizes
    weakened: Tensor = s / counted.clamp(min=alpha).mean(0)
    return (u * weakened) @ vt
