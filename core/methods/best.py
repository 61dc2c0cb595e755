"""The combination that won on the demo suite: TSV-Merge, then λ and masks distilled from the experts around it."""

from __future__ import annotations

from typing import Literal

from core import objectives
from core.learning import starts
from core.methods.adarank import AdaRank, AdaRankSettings
from core.settings import other_default

SOURCE = "Mergescope, chosen on held-out images of the demo suite"


class BestSettings(AdaRankSettings):
    """AdaRank's settings with the defaults of the winning combination."""

    start: starts.Name = other_default(AdaRankSettings, "start", "tsv_m", source=SOURCE)
    start_scale: float = other_default(AdaRankSettings, "start_scale", 0.0, source=SOURCE)
    masks: Literal["on", "off", "auto"] = other_default(
        AdaRankSettings, "masks", "auto", source="Mergescope (.github/METHODS.md)", before="on"
    )
    objective: objectives.Name = other_default(AdaRankSettings, "objective", "expert_kl", source=SOURCE)
    lr: float = other_default(AdaRankSettings, "lr", 0.02, source=SOURCE)
    steps: int = other_default(AdaRankSettings, "steps", 40, source=SOURCE)


class BestCombination(AdaRank):
    """θ = θ_TSV-M + change of Σ_k λ_k Σ_i m_ki s_ki u_ki v_kiᵀ, λ and m learned by Σ_k KL(expert_k ‖ merged)."""

    title = "Best combination"
    paper = (
        "Mergescope's own combination. It starts from TSV-Merge (Gargiulo et al., CVPR 2025), scaled to the length "
        "with the lowest loss on the first batch, and learns the layer-wise λ of AdaMerging (Yang et al., ICLR 2024) "
        "and the masks of AdaRank (ICLR 2026) with the distillation loss of SAMerging (2025) in place of entropy. With "
        "few images, the masks are left out. It was the best on the demo suite (.github/BENCHMARKS.md); experts "
        "that moved too little from the base limit it (.github/METHODS.md). It has not been measured on the "
        "papers' eight tasks."
    )
    summary = (
        "Starts from a strong model merged without data, then learns from unlabelled images how much of each expert to "
        "use in each layer, and in which directions. It is guided by the experts' answers, not by the merged model's "
        "own confidence."
    )
    cost = (
        "Like AdaRank: two singular value decompositions per matrix and expert, the components in memory, and steps "
        "that take about twice as long as AdaMerging's on a small model. Plus one forward pass of each expert over the "
        "images used."
    )
    Settings = BestSettings
