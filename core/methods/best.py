"""The combination that won on the demo suite: TSV-Merge, then λ distilled from the experts around it."""

from __future__ import annotations

from core.learning import LearningSettings
from core.methods.adamerging import AdaMerging
from core.settings import setting

SOURCE = "Mergescope, chosen on held-out images of the demo suite"


class BestSettings(LearningSettings):
    """AdaMerging's settings with the defaults of the winning combination."""

    start: str = setting(
        "tsv_m", "A data-free method whose model λ begins at, with that method's defaults.", source=SOURCE
    )
    objective: str = setting("expert_kl", "What is minimised.", source=SOURCE)
    lr: float = setting(0.02, "Adam's learning rate.", source=SOURCE, gt=0, le=10)
    steps: int = setting(40, "Optimiser steps.", source=SOURCE, ge=1, le=1_000_000)


class Best(AdaMerging):
    """θ = θ_TSV-M + Σ_k (λ[g, k] − 0.3) τ_k with λ learned by minimising Σ_k KL(expert_k ‖ merged)."""

    name = "best"
    title = "Best combination"
    paper = (
        "Mergescope's own composition: TSV-Merge (Gargiulo et al., CVPR 2025) as the start, layer-wise λ of AdaMerging "
        "(Yang et al., ICLR 2024) around it, and the distillation loss of SAMerging (2025) in place of entropy. It won "
        "on the demo suite (README, Measured); it has not been measured on the papers' eight tasks."
    )
    summary = (
        "Starts at the strongest model that needs no data, then learns from unlabelled images how much more or less of "
        "each expert every layer takes, by asking each expert instead of trusting the merged model's own certainty."
    )
    cost = (
        "TSV-Merge's singular value decompositions, then AdaMerging's forward and backward pass a step, and one "
        "forward pass of each expert over the images used."
    )
    Settings = BestSettings
