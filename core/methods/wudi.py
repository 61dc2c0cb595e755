"""WUDI-Merging: a merged task vector that disturbs the inputs of every task least, found without data."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from core.problem.grouping import block_of
from core.problem.problem import Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings
from core.techniques.tensorwise import Merge, Tensorwise


class WudiSettings(DepthSettings):
    """Settings of WUDI-Merging."""

    iterations: int = setting(300, "Adam steps for each matrix.", source="the authors' code", ge=0, le=100_000)
    lr: float = setting(1e-5, "Adam's learning rate.", source="the authors' code", gt=0, le=1)
    scale: float = other_default(DepthSettings, "scale", 1.0, source="WUDI: none")
    others: Literal["base", "average"] = setting(
        "base", "Where all other tensors come from: the base, or the mean of the experts.",
        source="the authors' code; FusionBench: average",
    )  # fmt: skip


class Wudi(Tensorwise[WudiSettings]):
    """m minimises Σ_k ‖(m − τ_k) τ_kᵀ‖² / ‖τ_k‖² from m = Σ_k τ_k, for each linear layer of each block."""

    title = "WUDI-Merging"
    paper = (
        "Whoever Started the Interference Should End It (Cheng et al., ICML 2025). The gradient is computed from the K "
        "matrices τ_kᵀτ_k, summed once: the same as the authors' and K times cheaper per step. FusionBench also "
        "optimises 2-D tensors outside the blocks and takes the mean elsewhere."
    )
    summary = (
        "Adjusts the sum of the task vectors so that it interferes as little as possible with each task's own update. "
        "Needs no images: the task vectors stand in for the inputs."
    )
    cost = (
        "A matrix product per Adam step and linear layer: half a minute on a GPU, many minutes on a CPU for ViT-B/32."
    )
    Settings = WudiSettings

    def merging(self, problem: Problem, settings: WudiSettings) -> Merge:
        return partial(_merge, problem, settings)


def _merge(problem: Problem, settings: WudiSettings, name: str, delta: Tensor) -> Tensor:
    if delta.dim() != 3 or not block_of(name).startswith("block "):
        return delta.mean(0) if settings.others == "average" else torch.zeros_like(delta[0])
    return minimise(problem, delta, settings.iterations, settings.lr)


def minimise(problem: Problem, delta: Tensor, iterations: int, lr: float) -> Tensor:
    """τ `[K, m, n]` -> m `[m, n]`."""
    total = delta.sum(0)
    # dL/dm = 2 Σ_k (m − τ_k) G_k with G_k = τ_kᵀτ_k / ‖τ_k‖²; m = Σ τ + change makes it 2 (change·ΣG + slope).
    gram = torch.zeros(delta.shape[2], delta.shape[2], dtype=delta.dtype, device=delta.device)
    slope = torch.zeros_like(total)
    for one in delta:
        if (norm := one.square().sum()) > 0:
            own = one.T @ one / norm
            gram += own
            slope += (total - one) @ own
    change = torch.zeros_like(total)
    adam = torch.optim.Adam([change], lr=lr)
    for _ in range(iterations):
        problem.tick()
        change.grad = 2 * torch.addmm(slope, change, gram)
        adam.step()
    return total + change
