"""The base itself: the lower reference."""

from __future__ import annotations

from collections.abc import Iterator

from core.problem.method import Method, Outcome, Role, State, Step
from core.problem.problem import Problem
from core.settings import MethodSettings


class Pretrained(Method[MethodSettings]):
    """θ = θ₀."""

    name = "pretrained"
    title = "Pre-trained"
    role = Role.LOWER
    paper = "Zero-shot CLIP (Radford et al., 2021)."
    summary = "The base without any fine-tuning: what merging has to beat."
    cost = "Nothing."

    def steps(self, problem: Problem, settings: MethodSettings, resume: State | None = None) -> Iterator[Step]:
        """One step: the base."""
        yield Step(0, outcome=Outcome.of(problem.task_vectors.base))
