"""AdaMerging: λ learned on unlabelled images by minimising prediction entropy."""

from __future__ import annotations

from core.learning.coefficients import LearningMethod, LearningSettings


class AdaMerging(LearningMethod[LearningSettings]):
    """θ = θ₀ + Σ_k λ[g, k] τ_k with λ learned; `group` makes it task-wise, block-wise or layer-wise."""

    title = "AdaMerging"
    starts_as = "task_arithmetic"
    paper = (
        "AdaMerging (Yang et al., ICLR 2024), equations 5 to 7. One batch of 16 images per task and step; the authors' "
        "code processes two. λ is clamped in the forward pass only, as in that code; FusionBench does not clamp."
    )
    summary = "Learns from your unlabelled images how much of each expert goes into each layer."
    cost = "One forward and backward pass over a small batch of every task per step."
    Settings = LearningSettings
