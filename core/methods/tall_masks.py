"""TALL masks: one merged task vector, and for each task the entries of it that the task uses."""

from __future__ import annotations

from torch import Tensor

from core.problem.method import Formula, Outcome, Problem, Weights
from core.settings import MethodSettings, setting


def threshold() -> float:
    """The setting that both methods built on these masks have."""
    return setting(  # type: ignore[no-any-return]  # a field of pydantic
        0.4, "A task uses an entry if its own value is at least this many times what the other tasks add to it.",
        source="Localizing Task Information (0.2 to 0.6, chosen on validation images)", ge=0, le=100,
    )  # fmt: skip


def masks(deltas: Tensor, share: float) -> Tensor:
    """`[K, n]` of bool: |τ_k| ≥ share · |Σ τ − τ_k|, for task vectors `[K, n]`."""
    return deltas.abs() >= share * (deltas.sum(0) - deltas).abs()


class TallMasksSettings(MethodSettings):
    """Settings of TALL masks."""

    share: float = threshold()


class TallMasks(Formula[TallMasksSettings]):
    """θ_k ≈ θ₀ + m_k∘Σ_j τ_j with m_k = [|τ_k| ≥ share·|Σ_j τ_j − τ_k|]."""

    title = "TALL masks"
    paper = (
        "Localizing Task Information (Wang et al., ICML 2024), TALL masks: compression, not merging. Each task needs "
        "its own mask of one bit per parameter, so the result is not a single model."
    )
    summary = (
        "Compresses the experts into one sum of task vectors, plus a mask of one bit per parameter that picks out each "
        "task's part."
    )
    cost = "Seconds; stores the base, one task vector and a bit mask per task instead of K models."
    single = False
    Settings = TallMasksSettings

    def made(self, problem: Problem, settings: TallMasksSettings) -> Outcome:
        """Other weights for each task; unseen tasks get the base."""
        vectors, share = problem.task_vectors, settings.share

        def weights(task: str) -> Weights:
            total = vectors.origin.clone()
            if task in vectors.tasks:
                row = vectors.tasks.index(task)
                for span in vectors.spans:
                    delta = vectors.deltas[:, span].to(total)
                    total[span] += delta.sum(0) * masks(delta, share)[row]
                    vectors.passed(delta)
            return vectors.named(total)

        return Outcome(weights, single=False)
