"""CART: the mean of the experts, and what is strongest in each one's distance from it."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from core.problem.grouping import block_of
from core.problem.problem import Problem
from core.settings import setting
from core.techniques.depth import DepthSettings
from core.techniques.spectral import svd
from core.techniques.tensorwise import Merge, Tensorwise


class CartSettings(DepthSettings):
    """Settings of CART."""

    centred: float = setting(
        2.0, "λ: weight of what is kept of the experts' distances from their mean.",
        source="the authors' code for 8 tasks (14: 1.5, 20: 1.9)", ge=-10, le=10,
    )  # fmt: skip
    rank_share: float = setting(
        0.12, "Share of the singular components of each distance to keep, strongest first; at least one is.",
        source="the authors' code for 8 tasks (14: 0.16, 20: 0.32); the paper finds about 0.08", gt=0, le=1,
    )  # fmt: skip


class Cart(Tensorwise[CartSettings]):
    """Δ = mean(τ) + λ Σ_k SVD_r(τ_k − mean(τ)), for each matrix of each block; the mean elsewhere."""

    title = "CART"
    paper = (
        "Revisiting Weight Averaging for Model Merging (Choi et al., 2024), CART: centred arithmetic with rank-reduced "
        "task vectors. As in the authors' code, matrices outside attention and MLP take the mean of τ, and query, key "
        "and value are one matrix. The paper chooses λ on validation images."
    )
    summary = "Averages the experts and adds the main directions in which each of them differs from that average."
    cost = "K singular value decompositions per matrix: seconds on a GPU, minutes on a CPU for ViT-B/32."
    Settings = CartSettings

    def merging(self, problem: Problem, settings: CartSettings) -> Merge:
        return partial(_merge, settings.centred, settings.rank_share)


def _merge(centred: float, rank_share: float, name: str, delta: Tensor) -> Tensor:
    if delta.dim() != 3 or not block_of(name).startswith("block "):
        return delta.mean(0)
    return merge(delta, centred, rank_share)


def merge(delta: Tensor, centred: float, rank_share: float) -> Tensor:
    """τ `[K, m, n]` -> Δ `[m, n]`."""
    mean, kept = delta.mean(0), max(1, int(min(delta.shape[1:]) * rank_share))
    total = mean.clone()
    for one in delta:
        u, s, vt = svd(one - mean)
        total += centred * (u[:, :kept] * s[:kept]) @ vt[:kept]
    return total
