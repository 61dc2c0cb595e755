"""AdaMerging++: AdaMerging over task vectors prepared by TIES."""

from __future__ import annotations

from collections.abc import Iterator

from core.learning import LearningSettings, learn
from core.methods.adamerging import AdaMerging
from core.methods.base import State, Step
from core.problem import Problem
from core.settings import MethodSettings, setting
from core.trimming import trim_and_elect


class AdaMergingPPSettings(LearningSettings):
    """AdaMerging's settings and the trimming of TIES."""

    keep: float = setting(
        0.2,
        "Share of the largest entries of each task vector that is kept.",
        source="TIES section 5",
        gt=0,
        le=1,
    )


class AdaMergingPP(AdaMerging):
    """AdaMerging with τ_k replaced by its entries that survive TIES' trimming and sign election."""

    name = "adamerging_pp"
    title = "AdaMerging++"
    paper = "AdaMerging (Yang et al., ICLR 2024), section 3.2; trimming and sign election as in TIES (sum variant)."
    summary = "AdaMerging after dropping small and outvoted entries of the task vectors."
    cost = "As AdaMerging; one more copy of the task vectors in memory."
    Settings = AdaMergingPPSettings

    def steps(self, problem: Problem, settings: MethodSettings, resume: State | None = None) -> Iterator[Step]:
        """One step an update of λ."""
        assert isinstance(settings, AdaMergingPPSettings)
        yield from learn(problem, trim_and_elect(problem.task_vectors, settings.keep), settings, resume)
