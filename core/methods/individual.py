"""Each task's own expert: the upper reference, not one model."""

from __future__ import annotations

from core.problem.method import Formula, Outcome, Problem, Role
from core.settings import MethodSettings


class Individual(Formula[MethodSettings]):
    """θ = θ_k on task k; K models, so there is nothing to export."""

    title = "Individual experts"
    role = Role.UPPER
    paper = "Fine-tuned models, one per task (Ilharco et al., ICLR 2023)."
    summary = "Uses each task's own expert. Its accuracy is what a merged model tries to keep."
    cost = "No computation, but K models instead of one."
    single = False

    def made(self, problem: Problem, settings: MethodSettings) -> Outcome:
        """An outcome with other weights for each task; unseen tasks get the base."""
        vectors = problem.task_vectors
        return Outcome(lambda task: vectors.expert(task) if task in vectors.tasks else vectors.base, single=False)
