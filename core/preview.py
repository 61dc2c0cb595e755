"""The merged model of a stored step, computed again from its λ (a running method offers `Step.weights`)."""

from __future__ import annotations

from core.grouping import group
from core.learning.coefficients import LearningSettings
from core.methods.base import Method
from core.problem import Problem
from core.settings import MethodSettings
from core.step import Step, Weights


def preview(problem: Problem, method: Method, settings: MethodSettings, step: Step) -> Weights | None:
    """Merged weights at the step's λ; None for methods whose λ alone does not make a model."""
    if step.coefficients is None or not isinstance(settings, LearningSettings):
        return None
    vectors = method.vectors(problem, settings)
    if vectors is None:
        return None
    grouping = group(vectors.names, settings.group)
    values = step.coefficients.values.to(vectors.origin)
    return vectors.named(vectors.combine(values, grouping.row_of))
