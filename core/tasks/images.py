"""The images of one split of one task, before they are decoded and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
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


@dataclass(frozen=True)
class Listing:
    """One split of a source before anything is decoded: what the image cache is filled from."""

    title: str
    """For progress and messages: task and split."""
    count: int
    labels: np.ndarray | None
    """int64 `[N]`, in the source's own numbers; None where they are not known."""
    picture: Callable[[int], Image.Image]
    """The decoded picture at an index; raises `core.tasks.decode.Unreadable`."""
    name: Callable[[int], str]
    """What a message calls the picture at an index."""
    identity: str
    """Changes whenever a picture or the order may have changed."""

    def chosen(self, rows: np.ndarray, why: str) -> Listing:
        """These rows alone, int `[M]`; `why` says how they were chosen."""
        return replace(
            self,
            count=len(rows),
            labels=None if self.labels is None else self.labels[rows],
            picture=lambda index: self.picture(int(rows[index])),
            name=lambda index: self.name(int(rows[index])),
            identity=f"{self.identity} {why}",
        )
