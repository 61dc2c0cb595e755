"""What the methods that learn λ have in common: their steps, what λ weighs, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core import objectives
from core.learning.coefficients import L, Learner, around_start
from core.learning.optimiser import carry_out
from core.problem.method import Method, Need, State, Step
from core.problem.mixture import Mixture
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors


class LearningMethod(Method[L]):
    """A method that learns λ over task vectors, which it may prepare first."""

    trains = "λ: one number per task and group of tensors"
    needs = Need.UNLABELLED

    def steps(self, problem: Problem, settings: L, resume: State | None = None) -> Iterator[Step]:
        """One step an update of what is learned."""
        yield from carry_out(self._learner(problem, settings), resume)

    def mixture(self, settings: L) -> Callable[[Problem], Mixture] | None:
        """The prepared task vectors, around the start that the settings ask for."""
        return lambda problem: self._mixture(problem, settings)

    def needed(self, settings: L) -> Need:
        """What the chosen objective needs."""
        return objectives.get(settings.objective).needs

    def _prepared(self, problem: Problem, settings: L) -> TaskVectors:
        """The experts' task vectors, or what is made of them before λ is learned."""
        return problem.task_vectors

    def _learner(self, problem: Problem, settings: L) -> Learner[L]:
        """What learns."""
        return Learner(problem, self._mixture(problem, settings), settings)

    def _mixture(self, problem: Problem, settings: L) -> Mixture:
        return Mixture.of(around_start(problem, self._prepared(problem, settings), settings), settings.group)
