"""Layer scaling by depth (LiNeS): deeper blocks get more of a merged task vector; an option of the data-free methods.

LiNeS (Wang et al., ICLR 2025): block ℓ of L is scaled by α + β·ℓ/(L − 1), everything outside the blocks by
α. Here α is the method's own `scale` and β the setting `lines`, so that it combines with every merged task vector.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from core.problem.grouping import block_of, group
from core.problem.task_vectors import TaskVectors
from core.settings import MethodSettings, setting


class DepthSettings(MethodSettings):
    """The setting of a method whose merged task vector can be scaled by depth."""

    lines: float = setting(
        0.0,
        "Added to the scale, growing from 0 in the first transformer block to this in the last; 0: one scale for all.",
        source="off; LiNeS' β, which its authors choose on validation images",
        ge=-10,
        le=10,
    )


def depths(names: Sequence[str]) -> list[float]:
    """Relative depth of each parameter tensor: 0 in the first block to 1 in the last, 0 outside the blocks."""
    blocks = [name for name in group(names, "block").groups if name.startswith("block ")]
    last = max(len(blocks) - 1, 1)
    place = {name: at / last for at, name in enumerate(blocks)}
    return [place.get(block_of(name), 0.0) for name in names]


def factors(names: Sequence[str], scale: float, lines: float) -> list[float]:
    """What each parameter tensor of a merged task vector is multiplied with."""
    return [scale + lines * depth for depth in depths(names)]


def add_scaled(vectors: TaskVectors, merged: Tensor, scale: float, lines: float) -> dict[str, Tensor]:
    """θ₀ + scale(ℓ)·τ as newly allocated named tensors, for a merged task vector τ `[D]`."""
    total = vectors.origin.clone()
    for span, factor in zip(vectors.spans, factors(vectors.names, scale, lines), strict=True):
        total[span].add_(merged[span].to(total), alpha=factor)
    return vectors.named(total)
