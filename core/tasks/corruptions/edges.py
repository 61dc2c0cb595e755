"""Canny's edge detector on a grey image, in the variant that the published corruptions were made with."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_STEEP, _FLAT = np.tan(np.deg2rad(67.5)), np.tan(np.deg2rad(22.5))


def edges(grey: np.ndarray, low: int, high: int) -> np.ndarray:
    """True where the uint8 image `[H, W]` has an edge.

    Canny (1986): Sobel gradients with |dx| + |dy| as strength; thinned across the edge; kept where stronger than
    `high`, or stronger than `low` and connected to such a place.
    """
    values = grey.astype(np.int64)
    dx, dy = (ndimage.sobel(values, axis=axis, mode="nearest") for axis in (1, 0))
    strength = np.abs(dx) + np.abs(dy)
    kept = (strength > low) & _is_crest(strength, dx, dy)
    connected, count = ndimage.label(kept, structure=np.ones((3, 3)))
    strong = np.zeros(count + 1, dtype=bool)
    strong[connected[kept & (strength > high)]] = True
    return np.asarray(strong[connected])


def _is_crest(strength: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Whether a place is stronger than its two neighbours in the direction of the gradient."""
    height, width = strength.shape
    padded = np.pad(strength, 1)

    def beside(down: int, right: int) -> np.ndarray:
        return padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    flat, steep = np.abs(dy) < _FLAT * np.abs(dx), np.abs(dy) > _STEEP * np.abs(dx)
    # Of two equally strong neighbours the first one wins; on diagonals neither does.
    along_row = (strength > beside(0, -1)) & (strength >= beside(0, 1))
    along_column = (strength > beside(-1, 0)) & (strength >= beside(1, 0))
    falling = (strength > beside(-1, -1)) & (strength > beside(1, 1))
    rising = (strength > beside(-1, 1)) & (strength > beside(1, -1))
    diagonal = np.where((dx < 0) ^ (dy < 0), rising, falling)
    return np.where(flat, along_row, np.where(steep, along_column, diagonal))
