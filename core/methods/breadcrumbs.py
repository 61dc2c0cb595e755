"""Model Breadcrumbs: keep neither the small entries nor the outliers of each layer."""

from __future__ import annotations

import torch
from pydantic import model_validator
from torch import Tensor

from core.problem.problem import Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings
from core.techniques.tensorwise import Merge, Tensorwise


class BreadcrumbsSettings(DepthSettings):
    """Settings of Model Breadcrumbs."""

    below: float = setting(
        0.85, "β: share of each tensor's entries to drop, smallest first.", source="Model Breadcrumbs",
        ge=0, le=1,
    )  # fmt: skip
    above: float = setting(
        0.993, "γ: entries larger than this share of their tensor's entries are dropped as outliers.",
        source="Model Breadcrumbs", ge=0, le=1,
    )  # fmt: skip
    scale: float = other_default(
        DepthSettings, "scale", 0.3, "α: weight of the sum of masked task vectors.", source="Model Breadcrumbs"
    )

    @model_validator(mode="after")
    def _ordered(self) -> BreadcrumbsSettings:
        if self.below > self.above:
            raise ValueError(f"`below` should be at most `above`. Found below = {self.below}, above = {self.above}")
        return self


class Breadcrumbs(Tensorwise[BreadcrumbsSettings]):
    """θ = θ₀ + α Σ_k m_k∘τ_k, where m_k keeps the entries of each tensor between the quantiles β and γ of |τ_k|."""

    title = "Model Breadcrumbs"
    paper = "Model Breadcrumbs (Davari and Belilovsky, ECCV 2024); a layer is one parameter tensor."
    summary = (
        "Drops the smallest entries and a few of the largest ones in each layer of each task vector, then adds up the "
        "rest."
    )
    cost = "Seconds."
    Settings = BreadcrumbsSettings

    def merging(self, problem: Problem, settings: BreadcrumbsSettings) -> Merge:

        def merge(_name: str, delta: Tensor) -> Tensor:
            flat = delta.flatten(1)
            kept = torch.stack([_masked(row, settings.below, settings.above) for row in flat])
            return kept.sum(0).view(delta.shape[1:])

        return merge


def _masked(row: Tensor, below: float, above: float) -> Tensor:
    """The entries `[n]` whose rank by magnitude, counted from 1, is above β·n and at most γ·n; others 0.

    Entries as large as the smallest or the largest one kept are kept too: in half precision they are many.
    """
    size = row.abs()
    low, high = int(below * len(row)), int(above * len(row))
    if low == high:
        return torch.zeros_like(row)
    return row * ((size >= size.kthvalue(low + 1).values) & (size <= size.kthvalue(high).values))
