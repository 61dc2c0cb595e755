"""DC-Merge: the strongest directions of all tasks as one orthogonal space, in which their updates are merged."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from core.problem.problem import Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings
from core.techniques.spectral import polar, strongest
from core.techniques.tensorwise import QKV, Merge, Tensorwise, matrices


class DcMergeSettings(DepthSettings):
    """Settings of DC-Merge."""

    scale: float = other_default(
        DepthSettings, "scale", 1.0, "α: weight of the merged task vector.",
        source="Mergescope; the authors choose it on validation images",
    )  # fmt: skip
    smooth: float = setting(
        0.0, "How many times stronger than the weakest kept direction the strongest may be, in a straight line between "
        "them; 1: all equally strong; 0: as they are.",
        source="the authors' code for full fine-tuning (LoRA: 1, or 5 in a line)", ge=0, le=1000,
    )  # fmt: skip
    density: float = setting(
        0.001, "Share of the entries to keep of each task's update in the common space, largest first; at least one.",
        source="the authors' code", gt=0, le=1,
    )  # fmt: skip
    qkv: QKV = setting(
        "fused", "Treat query, key and value as one matrix or as three.", source="the authors' code (open_clip)"
    )


class DcMerge(Tensorwise[DcMergeSettings]):
    """Δ = U*·(TIES_k(U*ᵀ τ̂_k V*)∘blocks)·V*ᵀ with the polar factors U*, V* of all τ̂_k, the top ⌊r/K⌋ triples of τ_k."""

    title = "DC-Merge"
    paper = (
        "DC-Merge (Zhang et al., CVPR 2026), algorithm 1, after the authors' code for full fine-tuning; tensors that "
        "are not matrices take the mean of τ. Of each task's coordinates the largest are kept, and entries of the "
        "outvoted sign dropped; the mean of the others counts where row and column belong to one task. At least one "
        "triple per task is kept, and triples with singular value 0 are left out. What differs from the smallest entry "
        "kept, or from a sum of zero, by rounding alone counts as equal to it."
    )
    summary = (
        "Turns the main directions of all experts into one common space, merges their updates there with TIES' votes, "
        "and keeps what belongs to each expert's own directions."
    )
    cost = "K + 2 singular value decompositions per matrix: seconds on a GPU, minutes on a CPU for ViT-B/32."
    Settings = DcMergeSettings

    def merging(self, problem: Problem, settings: DcMergeSettings) -> Merge:
        return matrices(partial(merge, smooth=settings.smooth, density=settings.density), settings.qkv)


def merge(delta: Tensor, smooth: float, density: float) -> Tensor:
    """τ `[K, m, n]` -> Δ `[m, n]`."""
    left, values, right = strongest(delta)
    (count, rows, kept), columns = left.shape, right.shape[2]
    if smooth:
        values = torch.stack([_smoothed(one, smooth) for one in values])
    row_space = polar(left.movedim(0, 1).reshape(rows, count * kept))
    column_space = polar(right.reshape(count * kept, columns))
    inside = (row_space.T @ left * values[:, None]) @ (right @ column_space.T)
    merged = _voted(_largest(inside, max(1, int(density * min(rows, columns) ** 2))))
    own: Tensor = torch.block_diag(*torch.ones(count, kept, kept).to(merged))
    return row_space @ (merged * own) @ column_space


def _smoothed(values: Tensor, most: float) -> Tensor:
    """Singular values `[q]`, zeros last, with the same sum and in a straight line."""
    used = values[values > 0]
    if not len(used):
        return values
    ratio = min(most, float(used[0] / used[-1]))
    line = torch.linspace(ratio, 1.0, len(used), dtype=values.dtype, device=values.device)
    return torch.cat([line / line.sum() * used.sum(), values[len(used) :]])


def _largest(inside: Tensor, count: int) -> Tensor:
    """`[K, q, q]` with all entries of each task but its largest set to 0."""
    sizes = inside.abs().flatten(1)
    least = sizes.topk(min(count, sizes.shape[1]), dim=1).values[:, -1] - _rounding(sizes.amax(1))
    return torch.where(inside.abs() >= least[:, None, None], inside, 0)


def _voted(inside: Tensor) -> Tensor:
    """`[K, q, q]` -> the mean `[q, q]` of the entries whose sign is that of their sum."""
    total = inside.sum(0)
    sign = torch.where(total.abs() > _rounding(inside.abs().sum(0)), total.sign(), 0)
    agreeing = (inside.sign() == sign) & (sign != 0)
    mean: Tensor = (inside * agreeing).sum(0) / agreeing.sum(0).clamp(min=1)
    return mean


def _rounding(size: Tensor) -> Tensor:
    return 10 * torch.finfo(size.dtype).eps * size
