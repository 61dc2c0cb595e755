"""Weight averaging."""

from __future__ import annotations

from collections.abc import Iterator

from core.problem.merged import merge
from core.problem.method import Method, Outcome, State, Step
from core.problem.problem import Problem
from core.settings import MethodSettings


class Average(Method[MethodSettings]):
    """θ = mean(θ_k) = θ₀ + Σ_k τ_k / K."""

    name = "average"
    title = "Weight averaging"
    paper = "Model soups (Wortsman et al., ICML 2022); baseline of AdaMerging."
    summary = "The plain mean of all experts."
    cost = "Seconds."

    def steps(self, problem: Problem, settings: MethodSettings, resume: State | None = None) -> Iterator[Step]:
        """One step: the mean of the experts."""
        vectors = problem.task_vectors
        yield Step(0, outcome=Outcome.of(merge(vectors, dict.fromkeys(vectors.tasks, 1 / len(vectors.tasks)))))
