"""Iso-C: the sum of task vectors with all singular values made equal."""

from __future__ import annotations

from torch import Tensor

from core.problem.problem import Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings
from core.techniques.spectral import directions
from core.techniques.tensorwise import QKV, Merge, Tensorwise, matrices

NOTES = (
    "tensors that are not matrices take the mean of τ. The authors choose α on validation images; here it is 1. The "
    "mean is over all min(m, n) singular values. Directions that no task uses (singular value 0, as with LoRA) stay "
    "unused; the authors' code takes whatever vectors the processor happens to return for them."
)
"""What Iso-C and Iso-CTS have in common."""


class IsoCSettings(DepthSettings):
    """Settings of Iso-C."""

    scale: float = other_default(
        DepthSettings, "scale", 1.0, "α: weight of the merged task vector.",
        source="FusionBench; the authors choose it on validation images",
    )  # fmt: skip
    qkv: QKV = setting(
        "fused", "Treat query, key and value as one matrix or as three.", source="the authors' code (open_clip)"
    )


class IsoC(Tensorwise[IsoCSettings]):
    """Δ = mean(S)·U Vᵀ for Σ_k τ_k = U S Vᵀ, matrix by matrix."""

    title = "Iso-C"
    paper = f"No Task Left Behind (Marczak et al., ICML 2025), Iso-C; {NOTES}"
    summary = "Adds all task vectors, then gives every direction the same strength, so that no task drowns out another."
    cost = "One singular value decomposition per matrix: seconds on a GPU, a minute on a CPU for ViT-B/32."
    Settings = IsoCSettings

    def merging(self, problem: Problem, settings: IsoCSettings) -> Merge:
        return matrices(merge, settings.qkv)


def merge(delta: Tensor) -> Tensor:
    """τ `[K, m, n]` -> Δ `[m, n]`."""
    u, s, vt = directions(delta.sum(0))
    return s.sum() / min(delta.shape[1:]) * (u @ vt)
