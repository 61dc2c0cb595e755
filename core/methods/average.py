"""Weight averaging."""

from __future__ import annotations

from core.problem.merged import merge
from core.problem.method import Formula, Outcome, Problem
from core.settings import MethodSettings


class Average(Formula[MethodSettings]):
    """θ = mean(θ_k) = θ₀ + Σ_k τ_k / K."""

    title = "Weight averaging"
    paper = "Model soups (Wortsman et al., ICML 2022); baseline of AdaMerging."
    summary = "The plain mean of all experts."
    cost = "Seconds."
    shares = True

    def made(self, problem: Problem, settings: MethodSettings) -> Outcome:
        vectors = problem.task_vectors
        return Outcome.of(merge(vectors, dict.fromkeys(vectors.tasks, 1 / len(vectors.tasks))))
