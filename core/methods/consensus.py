"""Consensus Task Arithmetic: drop the entries that serve no task or only one."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from core.problem.method import Method, State, Step
from core.problem.problem import Problem
from core.settings import setting
from core.techniques.depth import DepthSettings
from core.techniques.masks import masks, threshold
from core.techniques.tensorwise import PARTS, tensor_by_tensor


class ConsensusSettings(DepthSettings):
    """Settings of Consensus Task Arithmetic."""

    share: float = threshold()
    votes: int = setting(
        2, "Entries that fewer tasks use are dropped.", source="Localizing Task Information", ge=0, le=1000
    )
    scale: float = setting(0.3, "λ: weight of the masked sum.", source="Task Arithmetic", ge=-10, le=10)


class Consensus(Method[ConsensusSettings]):
    """θ = θ₀ + λ [Σ_k m_k ≥ votes]∘Σ_k τ_k with the TALL masks m_k."""

    name = "consensus"
    title = "Consensus Task Arithmetic"
    paper = (
        "Localizing Task Information (Wang et al., ICML 2024), TALL masks and consensus. The authors choose the masks' "
        "threshold for each task on validation images; here one value serves all. With fewer tasks than votes, as many "
        "votes as tasks suffice."
    )
    summary = "Adds all task vectors, then drops the entries that matter to none of the tasks or to a single one."
    cost = "Seconds."
    Settings = ConsensusSettings

    def steps(self, problem: Problem, settings: ConsensusSettings, resume: State | None = None) -> Iterator[Step]:
        """One step a tenth of the parameters."""
        votes = min(settings.votes, len(problem.tasks))

        def merge(_name: str, delta: Tensor) -> Tensor:
            return delta.sum(0) * (masks(delta, settings.share).sum(0) >= votes)

        yield from tensor_by_tensor(problem, merge, settings.scale, settings.lines)

    def total_steps(self, settings: ConsensusSettings) -> int:
        """The number of parts."""
        return PARTS
