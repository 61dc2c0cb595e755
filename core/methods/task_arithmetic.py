"""Task Arithmetic: one coefficient for the sum of all task vectors."""

from __future__ import annotations

from core.problem.method import Formula, Outcome, Problem
from core.problem.mixture import Mixture
from core.settings import other_default
from core.techniques.depth import DepthSettings, factors, fitted


class TaskArithmeticSettings(DepthSettings):
    """Settings of Task Arithmetic."""

    scale: float = other_default(
        DepthSettings, "scale", 0.3, "λ: weight of the sum of task vectors.",
        source="Task Arithmetic; AdaMerging section 4", label="Scale λ of every task vector",
    )  # fmt: skip


class TaskArithmetic(Formula[TaskArithmeticSettings]):
    """θ = θ₀ + λ Σ_k τ_k."""

    title = "Task Arithmetic"
    paper = "Editing Models with Task Arithmetic (Ilharco et al., ICLR 2023), section 3."
    summary = "Adds all task vectors with one weight, 0.3 unless you choose another."
    cost = "Seconds."
    shares = True
    Settings = TaskArithmeticSettings

    def made(self, problem: Problem, settings: TaskArithmeticSettings) -> Outcome:
        vectors = problem.task_vectors
        per_tensor = vectors.origin.new_tensor(factors(vectors.names, settings.scale, settings.lines))
        rows = per_tensor[:, None].expand(-1, len(vectors.tasks))
        return fitted(problem, Outcome.of(Mixture.of(vectors, "tensor").weights(rows)), settings)
