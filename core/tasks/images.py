"""The images of one split of one task."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from core.tasks.stored import StoredPixels

SPLITS = ("train", "held-out", "test")
Pixels = Tensor | StoredPixels
"""uint8 `[N, H, W, 3]`, in memory or in the image cache; both take `[index]`, `len`, `shape`, `split` and `numpy`."""


@dataclass(frozen=True)
class Images:
    """Decoded images and, where they are known, their labels."""

    pixels: Pixels
    """uint8 `[N, H, W, 3]`."""
    labels: Tensor | None
    """int64 `[N]`, indices into the task's classes; None for unlabelled images."""

    skipped: int = 0
    """Unreadable files that were left out, as asked."""

    def __len__(self) -> int:
        return len(self.pixels)
