"""AdaMerging++: AdaMerging over task vectors prepared by TIES."""

from __future__ import annotations

from core.learning.coefficients import LearningMethod, LearningSettings
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.techniques.trimming import share, trim_and_elect


class AdaMergingPPSettings(LearningSettings):
    """AdaMerging's settings and the trimming of TIES."""

    keep: float = share()


class AdaMergingPP(LearningMethod[AdaMergingPPSettings]):
    """AdaMerging with τ_k replaced by its entries that survive TIES' trimming and sign election."""

    title = "TIES-AdaMerging (AdaMerging++)"
    paper = "AdaMerging (Yang et al., ICLR 2024), section 3.2; trimming and sign election as in TIES (sum variant)."
    summary = "AdaMerging, after dropping small and outvoted entries from the task vectors."
    cost = "Like AdaMerging, plus one more copy of the task vectors in memory."
    Settings = AdaMergingPPSettings

    def _prepared(self, problem: Problem, settings: AdaMergingPPSettings) -> TaskVectors:
        return trim_and_elect(problem.task_vectors, settings.keep)
