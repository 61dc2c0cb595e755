"""Spatter: drops of water or splashes of mud on the lens."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from core.problem.stress.plain_corruptions import Draws

_WATER = np.array([175, 238, 238]) / 255
_MUD = np.array([63, 42, 20]) / 255
_RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
_LENGTHS = {1: 1.0, 2: 1.4, 5: 2.1969}
_STEPS = [(y, x, _LENGTHS[y * y + x * x]) for y in range(-2, 3) for x in range(-2, 3) if y * y + x * x in _LENGTHS]
_FAR = 20
"""Pixels from an edge beyond which a drop is flat."""
_STEEP, _FLAT = np.tan(np.deg2rad(67.5)), np.tan(np.deg2rad(22.5))


def spatter(image: np.ndarray, constant: tuple[float, float, float, float, float, str], draws: Draws) -> np.ndarray:
    """Smoothed normal noise above a threshold is wet; water lightens by its relief, mud covers.

    The constant is (mean and deviation of the noise, its smoothing, threshold, strength of water or smoothing of mud,
    what it is).
    """
    mean, deviation, smoothing, threshold, last, liquid = constant
    layer = ndimage.gaussian_filter(draws.normal(mean, deviation, image.shape[:2]), smoothing, mode="nearest")
    layer[layer < threshold] = 0
    x = image / 255
    if liquid == "mud":
        cover = ndimage.gaussian_filter((layer > threshold).astype(np.float64), last, mode="nearest")
        cover = np.where(cover < 0.8, 0, cover)[..., None]
        return np.asarray(np.clip(x * (1 - cover) + _MUD * cover, 0, 1) * 255)
    relief = _relief((layer * 255).astype(np.uint8))
    if relief.max() > 0:  # Small images can stay dry.
        relief = relief / relief.max() * last
    return np.asarray(np.clip(x + relief[..., None] * _WATER, 0, 1) * 255)


def _relief(wet: np.ndarray) -> np.ndarray:
    """How much light each pixel of the water gives back, in arbitrary units, from the depth uint8 `[H, W]`."""
    distance = _mean3(_distance(edges(wet, 50, 150)))
    # Rounding errors must not turn a whole number into the one below.
    level = _equalised((distance + 1e-4).astype(np.uint8)).astype(np.int64)
    lit = np.clip(ndimage.correlate(level, _RELIEF, mode="mirror"), 0, 255)
    return np.asarray(wet * np.round(_mean3(lit.astype(np.float64))))


def _distance(edge: np.ndarray) -> np.ndarray:
    """Length of the shortest walk to an edge in steps to the 16 nearest places, at most `_FAR`.

    Borgefors (1986), with the lengths that the published sets were made with.
    """
    height, width = edge.shape
    padded = np.pad(np.where(edge, 0.0, float(_FAR)), 2, constant_values=_FAR)
    inner = padded[2:-2, 2:-2]
    while True:
        before = inner.copy()
        for down, right, length in _STEPS:
            beside = padded[2 + down : 2 + down + height, 2 + right : 2 + right + width]
            np.minimum(inner, beside + length, out=inner)
        if np.array_equal(before, inner):
            return before


def _mean3(x: np.ndarray) -> np.ndarray:
    """Mean over 3 × 3 neighbours, mirrored at the border."""
    return np.asarray(ndimage.uniform_filter(x, 3, mode="mirror"))


def _equalised(x: np.ndarray) -> np.ndarray:
    """Histogram equalisation of a uint8 image: the darkest level becomes 0, levels are as far apart as their counts."""
    counts = np.bincount(x.reshape(-1), minlength=256)
    first = int(np.flatnonzero(counts)[0])
    rest = x.size - counts[first]
    if rest == 0:
        return x
    below = np.cumsum(counts) - counts[first]
    return np.asarray(np.round(np.clip(below, 0, None) * (255 / rest)).astype(np.uint8)[x])


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
