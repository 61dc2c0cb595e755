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
        "tsv_m", "The data-free method whose model to start from, with that method's defaults.", source=SOURCE
    )
    start_scale: float = setting(
        0.0, "Scales what `start` changes in the base; 0: the factor from ½ to 2½ with the lowest loss on the first "
        "batch.",
        source=SOURCE, ge=0, le=10,
    )  # fmt: skip
    masks: Literal["on", "off", "auto"] = setting(
        "auto", f"Learn which components to use; `auto`: if the steps draw at least {ENOUGH} images of a task, else "
        "learn only λ.", source="Mergescope (.github/METHODS.md)", before="on",
    )  # fmt: skip
    objective: objectives.Name = setting("expert_kl", "What to minimise.", source=SOURCE)
    lr: float = setting(0.02, "Adam's learning rate.", source=SOURCE, gt=0, le=10)
    steps: int = setting(40, "Optimiser steps.", source=SOURCE, ge=1, le=1_000_000)


class BestCombination(AdaRank):
    """θ = θ_TSV-M + change of Σ_k λ_k Σ_i m_ki s_ki u_ki v_kiᵀ, λ and m learned by Σ_k KL(expert_k ‖ merged)."""

    name = "best"
    title = "Best combination"
    paper = (
        "Mergescope's own combination. It starts from TSV-Merge (Gargiulo et al., CVPR 2025), scaled to the length "
        "with the lowest loss on the first batch, and learns the layer-wise λ of AdaMerging (Yang et al., ICLR 2024) "
        "and the masks of AdaRank (ICLR 2026) with the distillation loss of SAMerging (2025) in place of entropy. With "
        "few images, the masks are left out. It won on the demo suite (.github/BENCHMARKS.md); experts whose training "
        "stopped a third of the way hold it back (.github/METHODS.md). It has not been measured on the papers' eight "
        "tasks."
    )
    summary = (
        "Starts from a strong model merged without data, then learns from unlabelled images how much of each expert to "
        "use in each layer, and in which directions. It is guided by the experts' answers, not by the merged model's "
        "own confidence."
    )
    cost = (
        "As AdaRank: two singular value decompositions per matrix and expert, the components in memory, and steps that "
        "take about twice as long as AdaMerging's on a small model. Plus one forward pass of each expert over the "
        "images used."
    )
    Settings = BestSettings
