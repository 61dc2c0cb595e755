"""SAMerging: λ learned by distillation from the experts, at a flat minimum."""

from __future__ import annotations

from torch import Tensor

from core import objectives
from core.learning.coefficients import Learner, LearningMethod, LearningSettings
from core.problem.merged import Batch, Measured
from core.problem.problem import Problem
from core.settings import setting

PAPER = "SAMerging (2025)"


class SAMergingSettings(LearningSettings):
    """AdaMerging's settings with SAMerging's defaults, and the radius of sharpness-aware minimisation."""

    objective: objectives.Name = setting("expert_kl", "What to minimise.", source=PAPER)
    temperature: float = setting(2.0, "Temperature of the objective `expert_kl`.", source=PAPER, gt=0, le=100)
    init: float = setting(0.0, "λ at the start.", source=PAPER, ge=-10, le=10)
    clamp: bool = setting(False, "Clamp λ to 0…1 in the merge.", source=PAPER)
    steps: int = setting(100, "Optimiser steps.", source=PAPER, ge=1, le=1_000_000)
    rho: float = setting(
        0.07, "How far away in λ to look for the worst nearby point, whose gradient is then followed; 0: plain "
        "gradient descent.",
        source=PAPER, ge=0, le=10,
    )  # fmt: skip


class SAMerging(LearningMethod[SAMergingSettings]):
    """min_λ max_{‖ε‖ ≤ ρ} Σ_k KL(expert_k ‖ merged at λ + ε), to first order."""

    name = "samerging"
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
    def _measure(self, batches: list[Batch]) -> tuple[Measured, dict[str, Tensor]]:
        here, gradients = self._measure_at(self._raw, batches)
        norm = gradients["raw"].norm()
        if not self._settings.rho or not norm > 0:  # A norm that is NaN stops the run, one that is 0 has no direction.
            return here, gradients
        _, gradients = self._measure_at(self._raw + self._settings.rho * gradients["raw"] / norm, batches)
        return here, gradients
