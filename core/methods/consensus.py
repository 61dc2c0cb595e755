"""Consensus Task Arithmetic: drop the entries that serve no task or only one."""

from __future__ import annotations

from core.methods.tall_masks import masks, threshold
from core.problem.problem import Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings
from core.techniques.tensorwise import Merge, Tensorwise


class ConsensusSettings(DepthSettings):
    """Settings of Consensus Task Arithmetic."""

    share: float = threshold()
    votes: int = setting(
        2, "Drop entries that fewer tasks than this use.", source="Localizing Task Information", ge=0, le=1000
    )
    scale: float = other_default(DepthSettings, "scale", 0.3, "λ: weight of the masked sum.", source="Task Arithmetic")


class Consensus(Tensorwise[ConsensusSettings]):
    """θ = θ₀ + λ [Σ_k m_k ≥ votes]∘Σ_k τ_k with the TALL masks m_k."""

    title = "Consensus Task Arithmetic"
    paper = (
        "Localizing Task Information (Wang et al., ICML 2024), TALL masks and consensus. The authors choose the masks' "
        "threshold for each task on validation images; here one value serves all. With fewer tasks than votes, one "
        "vote per task is enough."
    )
    summary = "Adds all task vectors, then drops the entries that matter to no task or to only one."
    cost = "Seconds."
    Settings = ConsensusSettings

    def merging(self, problem: Problem, settings: ConsensusSettings) -> Merge:
        votes = min(settings.votes, len(problem.tasks))
        return lambda _name, delta: delta.sum(0) * (masks(delta, settings.share).sum(0) >= votes)
