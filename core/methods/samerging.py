"""SAMerging: λ learned by distillation from the experts, at a flat minimum."""

from __future__ import annotations

import torch

from core import objectives
from core.learning.coefficients import Learner, LearningMethod, LearningSettings
from core.problem.merged import Batch, Measured
from core.problem.problem import Problem
from core.settings import other_default, setting

PAPER = "SAMerging (2025)"


class SAMergingSettings(LearningSettings):
    """AdaMerging's settings with SAMerging's defaults, and the radius of sharpness-aware minimisation."""

    objective: objectives.Name = other_default(LearningSettings, "objective", "expert_kl", source=PAPER)
    temperature: float = other_default(LearningSettings, "temperature", 2.0, source=PAPER)
    init: float = other_default(LearningSettings, "init", 0.0, source=PAPER)
    clamp: bool = other_default(LearningSettings, "clamp", False, source=PAPER)
    steps: int = other_default(LearningSettings, "steps", 100, source=PAPER)
    rho: float = setting(
        0.07, "How far away in λ to look for the worst nearby point, whose gradient is then followed; 0: plain "
        "gradient descent.",
        source=PAPER, ge=0, le=10,
    )  # fmt: skip


class SAMerging(LearningMethod[SAMergingSettings]):
    """min_λ max_{‖ε‖ ≤ ρ} Σ_k KL(expert_k ‖ merged at λ + ε), to first order."""

    title = "SAMerging"
    paper = (
        "SAMerging (2025); sharpness-aware minimisation (Foret et al., ICLR 2021), equations 2 and 3, over Adam. A "
        "factor on the loss, such as temperature², changes nothing: SAM and Adam both divide by the gradient's size."
    )
    summary = "Pulls the merged model towards each expert's answers, and prefers λ whose nearby values work well too."
    cost = "Two forward and backward passes per step instead of one, plus a forward pass of each task's expert."
    Settings = SAMergingSettings

    def _learner(self, problem: Problem, settings: SAMergingSettings) -> Learner[SAMergingSettings]:
        return _SharpnessAware(problem, self._mixture(problem, settings), settings)


class _SharpnessAware(Learner[SAMergingSettings]):
    def _measure(self, batches: list[Batch]) -> tuple[Measured, dict[str, torch.Tensor]]:
        here, gradients = self._measure_at(self._raw, batches)
        if not self._settings.rho:
            return here, gradients
        slope = gradients["raw"]
        norm = slope.norm().clamp_min(torch.finfo(slope.dtype).tiny)  # A slope of 0 has no direction: λ stays.
        _, gradients = self._measure_at(self._raw + self._settings.rho * slope / norm, batches)
        return here, gradients
