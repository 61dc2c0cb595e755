"""TALL masks: one merged task vector, and for each task the entries of it that the task uses."""

from __future__ import annotations

from core.problem.method import Formula, Outcome, Weights
from core.problem.problem import Problem
from core.settings import MethodSettings
from core.techniques.masks import masks, threshold


class TallMasksSettings(MethodSettings):
    """Settings of TALL masks."""

    share: float = threshold()


class TallMasks(Formula[TallMasksSettings]):
    """θ_k ≈ θ₀ + m_k∘Σ_j τ_j with m_k = [|τ_k| ≥ share·|Σ_j τ_j − τ_k|]."""

    name = "tall_masks"
    title = "TALL masks"
    paper = (
        "Localizing Task Information (Wang et al., ICML 2024), TALL masks: compression, not merging. Each task needs "
        "its mask, one bit a parameter, so the result is not one model."
    )
    summary = "Compresses the experts: one sum of task vectors, and one bit a parameter that gives each task its part."
    cost = "Seconds; base, one task vector and a bit mask a task instead of K models."
    single = False
    Settings = TallMasksSettings

    def made(self, problem: Problem, settings: TallMasksSettings) -> Outcome:
        """Other weights for each task; unseen tasks get the base."""
        vectors, share = problem.task_vectors, settings.share

        def weights(task: str) -> Weights:
            total = vectors.origin.clone()
            if task in vectors.tasks:
                row = vectors.tasks.index(task)
                for span in vectors.spans:
                    delta = vectors.deltas[:, span].to(total)
                    total[span] += delta.sum(0) * masks(delta, share)[row]
                    vectors.passed(delta)
            return vectors.named(total)

        return Outcome(weights, single=False)
