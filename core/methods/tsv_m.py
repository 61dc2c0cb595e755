"""TSV-Merge: the strongest singular directions of each task, made orthogonal to each other."""

from __future__ import annotations

from torch import Tensor

from core.problem.problem import Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings
from core.techniques.spectral import orthogonal
from core.techniques.tensorwise import QKV, Merge, Tensorwise, matrices


class TsvMSettings(DepthSettings):
    """Settings of TSV-Merge."""

    scale: float = other_default(
        DepthSettings, "scale", 1.0, "α: weight of the merged task vector.", source="TSV-Merge: α = 1"
    )
    qkv: QKV = setting(
        "fused", "Treat query, key and value as one matrix or as three.", source="the authors' code (open_clip)"
    )


class TsvM(Tensorwise[TsvMSettings]):
    """Δ = polar(U*) S* polar(V*)ᵀ from the top ⌊r/K⌋ singular triples of each τ_k, matrix by matrix."""

    title = "TSV-Merge"
    paper = (
        "Task Singular Vectors (Gargiulo et al., CVPR 2025), TSV-Merge; tensors that are not matrices take the mean of "
        "τ. U* and V* hold only the K·⌊r/K⌋ columns in use, where the authors pad with zeros; the result is the same. "
        "At least one triple per task is kept, even with more tasks than the rank; triples with singular value 0 are "
        "left out."
    )
    summary = "Keeps the main directions of each expert and rotates them so that no two experts share one."
    cost = "K + 2 singular value decompositions per matrix: seconds on a GPU, minutes on a CPU for ViT-B/32."
    Settings = TsvMSettings

    def merging(self, problem: Problem, settings: TsvMSettings) -> Merge:
        return matrices(merge, settings.qkv)


def merge(delta: Tensor) -> Tensor:
    """τ `[K, m, n]` -> Δ `[m, n]`."""
    left, values, right = orthogonal(delta)
    return ((left * values[:, None]) @ right).sum(0)
