"""TIES-Merging: trim, elect sign, merge what agrees."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from core.problem.method import Formula, Outcome, Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings, scaled
from core.techniques.trimming import Election, limits, share


class TiesSettings(DepthSettings):
    """Settings of TIES-Merging."""

    keep: float = share()
    scale: float = other_default(
        DepthSettings, "scale", 0.3, "λ: weight of the merged task vector.", source="AdaMerging's baseline"
    )
    aggregate: Literal["sum", "mean", "max"] = setting(
        "sum", "How to combine entries that agree: their sum, the mean of the non-zero ones, or the largest.",
        source="AdaMerging's baseline (the TIES paper takes the mean with λ = 1)",
    )  # fmt: skip


class Ties(Formula[TiesSettings]):
    """θ = θ₀ + λ · disjoint merge of the trimmed task vectors."""

    title = "TIES-Merging"
    paper = (
        "TIES-Merging (Yadav et al., NeurIPS 2023), section 4. The authors also count the text tower's zeros and so "
        "keep about 26 % of the image encoder's entries on ViT-B/32 instead of 20 %; here only the image encoder "
        "counts."
    )
    summary = (
        "Keeps the largest entries of each task vector, drops those whose sign is outvoted by the other tasks, and "
        "adds up the rest."
    )
    cost = "Seconds to a minute; memory for a few more copies of the model, however many experts there are."
    Settings = TiesSettings

    def made(self, problem: Problem, settings: TiesSettings) -> Outcome:
        vectors = problem.task_vectors
        election = Election(vectors, limits(vectors, settings.keep))
        merged = torch.empty_like(vectors.origin)
        for part in vectors.columns():
            merged[part] = _aggregate(election.kept(part).to(merged), settings.aggregate)
        return scaled(problem, merged, settings)


def _aggregate(kept: Tensor, how: str) -> Tensor:
    """`[K, n]` entries of one sign each column -> `[n]`."""
    if how == "max":
        return kept.gather(0, kept.abs().argmax(0, keepdim=True))[0]
    total = kept.sum(0)
    return total / kept.count_nonzero(0).clamp(min=1) if how == "mean" else total
