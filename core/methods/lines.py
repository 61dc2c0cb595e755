"""LiNeS: Task Arithmetic that takes more of the deeper blocks."""

from __future__ import annotations

from core.problem.method import Formula, Outcome, Problem
from core.settings import other_default
from core.techniques.depth import DepthSettings, scaled


class LinesSettings(DepthSettings):
    """Settings of LiNeS over Task Arithmetic."""

    scale: float = other_default(
        DepthSettings, "scale", 0.0,
        "α: weight in the first block and outside the blocks; 0: one divided by the number of experts.",
        source="LiNeS, for Task Arithmetic",
    )  # fmt: skip
    lines: float = other_default(
        DepthSettings, "lines", 0.5,
        "β: extra weight of the last block; blocks in between get a share in proportion to their depth.",
        source="Mergescope; LiNeS chooses it on validation images",
    )  # fmt: skip


class Lines(Formula[LinesSettings]):
    """θ = θ₀ + (α + β·ℓ/(L − 1)) Σ_k τ_k in block ℓ of L, α Σ_k τ_k outside the blocks."""

    title = "LiNeS"
    paper = (
        "LiNeS (Wang et al., ICLR 2025), applied to Task Arithmetic. Other data-free methods offer the same scaling as "
        "the setting `lines`."
    )
    summary = (
        "Adds all task vectors, with a small weight in the early layers, which all tasks share, and a larger one in "
        "the late layers."
    )
    cost = "Seconds."
    Settings = LinesSettings

    def made(self, problem: Problem, settings: LinesSettings) -> Outcome:
        vectors = problem.task_vectors
        scale = settings.scale or 1 / len(vectors.tasks)
        total = vectors.total()
        return scaled(problem, total, settings, scale)
