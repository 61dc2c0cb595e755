"""TALL masks: which entries of the sum of task vectors serve a task (Wang et al., ICML 2024)."""

from __future__ import annotations

from torch import Tensor

from core.settings import setting


def threshold() -> float:
    """The setting that both methods built on these masks have."""
    return setting(  # type: ignore[no-any-return]  # a field of pydantic
        0.4, "A task uses an entry where its own is at least this many times what the others add to it.",
        source="Localizing Task Information (0.2 to 0.6, chosen on validation images)", ge=0, le=100,
    )  # fmt: skip


def masks(deltas: Tensor, share: float) -> Tensor:
    """`[K, n]` of bool: |τ_k| ≥ share · |Σ τ − τ_k|, for task vectors `[K, n]`."""
    return deltas.abs() >= share * (deltas.sum(0) - deltas).abs()
