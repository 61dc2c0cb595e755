"""The base itself: the lower reference."""

from __future__ import annotations

from core.problem.method import Formula, Outcome, Problem, Role
from core.settings import MethodSettings


class Pretrained(Formula[MethodSettings]):
    """θ = θ₀."""

    title = "Pre-trained"
    role = Role.LOWER
    paper = "Zero-shot CLIP (Radford et al., 2021)."
    summary = "The base model without any fine-tuning. Its accuracy is what merging has to beat."
    cost = "Nothing."

    def made(self, problem: Problem, settings: MethodSettings) -> Outcome:
        return Outcome.of(problem.task_vectors.base)
