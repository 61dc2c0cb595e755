"""AdaMerging: λ learned on unlabelled images by minimising prediction entropy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core import objectives
from core.learning.coefficients import LearningSettings, around_start, learn
from core.methods.base import Method, Need, State, Step
from core.mixture import Mixture
from core.problem import Problem
from core.settings import MethodSettings
from core.task_vectors import TaskVectors


class AdaMerging(Method):
    """θ = θ₀ + Σ_k λ[g, k] τ_k with λ learned; `group` makes it task-wise, block-wise or layer-wise."""

    name = "adamerging"
    title = "AdaMerging"
    paper = (
        "AdaMerging (Yang et al., ICLR 2024), equations 5 to 7. One batch of 16 images per task and step; the authors' "
        "code processes two. λ is clamped in the forward pass only, as in that code; FusionBench does not clamp."
    )
    summary = "Learns how much of each expert goes into each layer, from your unlabelled images."
    cost = "One forward and backward pass over a small batch of every task per step."
    trains = "λ: one number per task and group of tensors"
    needs = Need.UNLABELLED
    Settings = LearningSettings

    def steps(self, problem: Problem, settings: MethodSettings, resume: State | None = None) -> Iterator[Step]:
        """One step an update of λ."""
        assert isinstance(settings, LearningSettings)
        yield from learn(problem, self._mixture(problem, settings), settings, resume)

    def mixture(self, settings: MethodSettings) -> Callable[[Problem], Mixture] | None:
        """The prepared task vectors, around the start that the settings ask for."""
        assert isinstance(settings, LearningSettings)
        return lambda problem: self._mixture(problem, settings)

    def _mixture(self, problem: Problem, settings: LearningSettings) -> Mixture:
        return Mixture.of(around_start(problem, self._prepared(problem, settings), settings), settings.group)

    def _prepared(self, problem: Problem, settings: LearningSettings) -> TaskVectors:
        return problem.task_vectors

    def total_steps(self, settings: MethodSettings) -> int:
        """The number of updates."""
        assert isinstance(settings, LearningSettings)
        return settings.steps

    def needed(self, settings: MethodSettings) -> Need:
        """What the chosen objective needs."""
        assert isinstance(settings, LearningSettings)
        return objectives.get(settings.objective).needs
