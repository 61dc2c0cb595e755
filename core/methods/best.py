"""The combination that won on the demo suite: TSV-Merge, then λ and masks distilled from the experts around it."""

from __future__ import annotations

from typing import Literal

from core import objectives
from core.learning import starts
from core.methods.adarank import ENOUGH, AdaRank, AdaRankSettings
from core.settings import setting

SOURCE = "Mergescope, chosen on held-out images of the demo suite"


class BestSettings(AdaRankSettings):
    """AdaRank's settings with the defaults of the winning combination."""

    start: starts.Name = setting(
        "tsv_m", "A data-free method whose model learning begins at, with that method's defaults.", source=SOURCE
    )
    start_scale: float = setting(
        0.0, "Factor on what `start` changes in the base; 0: that of ½ to 2½ with the lowest loss on the first batch.",
        source=SOURCE, ge=0, le=10,
    )  # fmt: skip
    masks: Literal["on", "off", "auto"] = setting(
        "auto", f"Learn which components take part; `auto`: where the steps draw at least {ENOUGH} images of a task, "
        "else λ alone is learned.", source="Mergescope (.github/METHODS.md)", before="on",
    )  # fmt: skip
    objective: objectives.Name = setting("expert_kl", "What is minimised.", source=SOURCE)
    lr: float = setting(0.02, "Adam's learning rate.", source=SOURCE, gt=0, le=10)
    steps: int = setting(40, "Optimiser steps.", source=SOURCE, ge=1, le=1_000_000)


class BestCombination(AdaRank):
    """θ = θ_TSV-M + change of Σ_k λ_k Σ_i m_ki s_ki u_ki v_kiᵀ, λ and m learned by Σ_k KL(expert_k ‖ merged)."""

    name = "best"
    title = "Best combination"
    paper = (
        "Mergescope's own composition: TSV-Merge (Gargiulo et al., CVPR 2025) as the start, at the length with the "
        "lowest loss on the first batch, layer-wise λ of AdaMerging (Yang et al., ICLR 2024) and the masks of AdaRank "
        "(ICLR 2026) around it, and the distillation loss of SAMerging (2025) in place of entropy. Where there are few "
        "images, masks are left out. It won on the demo suite (.github/BENCHMARKS.md); experts that stopped a third of "
        "their way hold it back (.github/METHODS.md). It has not been measured on the papers' eight tasks."
    )
    summary = (
        "Starts at a strong model that needs no data, then learns from unlabelled images how much of each expert every "
        "layer takes and in which directions, by asking each expert instead of trusting the merged model's certainty."
    )
    cost = (
        "AdaRank's: two singular value decompositions of every matrix and expert, components in memory, and steps that "
        "take about twice AdaMerging's time on a small model; and one forward pass of each expert over the images used."
    )
    Settings = BestSettings
