"""SVC: Task Arithmetic with the directions that several tasks share weakened."""

from __future__ import annotations

from core.problem.method import Formula, Outcome, Problem
from core.settings import other_default
from core.techniques.depth import DepthSettings, scaled


class SvcSettings(DepthSettings):
    """Settings of SVC over Task Arithmetic."""

    scale: float = other_default(
        DepthSettings, "scale", 0.3, "λ: weight of the sum of task vectors before it is calibrated.",
        source="the authors' code",
    )  # fmt: skip
    svc: float = other_default(
        DepthSettings, "svc", 0.0,
        "α: what a task's share in a direction counts as at least; 1 only weakens; 0: one divided by the number of "
        "experts.",
        source="the authors' code",
    )  # fmt: skip


class Svc(Formula[SvcSettings]):
    """σ_r → σ_r·K / Σ_k max(α, ⟨u_rᵀM, u_rᵀτ_k⟩ / ‖u_rᵀτ_k‖²) in M = λ Σ_k τ_k = Σ_r σ_r u_r v_rᵀ of each matrix."""

    title = "SVC"
    paper = (
        "When Shared Knowledge Hurts (Li et al., ICML 2026), algorithm 1, applied to Task Arithmetic. Other data-free "
        "methods offer the same calibration as the setting `svc`. Query, key and value are one matrix, and the "
        "embedding of positions stays as it was merged, as in the authors' code. A task without a share in a direction "
        "counts as α; the authors' code decides that by an absolute 1e-12. Directions of equal singular values, as "
        "after Iso-C, are arbitrary and count together; theirs takes those that the processor happens to return."
    )
    summary = "Adds all task vectors, then weakens the directions that several tasks share, which the sum counts twice."
    cost = "One singular value decomposition per matrix: seconds on a GPU, a minute on a CPU for ViT-B/32."
    shares = True
    Settings = SvcSettings

    def made(self, problem: Problem, settings: SvcSettings) -> Outcome:
        vectors = problem.task_vectors
        alpha = settings.svc or 1 / len(vectors.tasks)
        return scaled(problem, vectors.total(), settings.model_copy(update={"svc": alpha}))
