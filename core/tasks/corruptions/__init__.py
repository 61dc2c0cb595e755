"""Common corruptions of images at five severities, for measuring how a model fares on spoilt input.

Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR 2019).
Images whose shorter side has at most `SMALL` pixels take the constants of CIFAR-10-C, larger ones those of ImageNet-C.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.errors import BadInput, UnknownName
from core.tasks.corruptions import plain
from core.tasks.corruptions.plain import Draws
from core.tasks.corruptions.severity import CIFAR, IMAGENET, Constant
from core.tasks.corruptions.spatter import spatter

__all__ = ["KINDS", "SEVERITIES", "SMALL", "corrupt", "scale_of"]

SMALL = 64
"""Pixels of the shorter side up to which an image is corrupted as CIFAR-10-C is."""
SEVERITIES = (1, 2, 3, 4, 5)
_FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "motion_blur": plain.motion_blur,
    "impulse_noise": plain.impulse_noise,
    "gaussian_noise": plain.gaussian_noise,
    "pixelate": plain.pixelate,
    "spatter": spatter,
    "contrast": plain.contrast,
    "jpeg_compression": plain.jpeg_compression,
}
KINDS = tuple(_FUNCTIONS)
"""Names of the corruptions, those of the AdaMerging paper's robustness study (section 4.4)."""


def scale_of(height: int, width: int) -> str:
    """Whose constants images of this size take: "CIFAR-10-C" or "ImageNet-C"."""
    return "CIFAR-10-C" if min(height, width) <= SMALL else "ImageNet-C"


def corrupt(images: np.ndarray, kind: str, severity: int, seed: int = 0) -> np.ndarray:
    """Corrupt uint8 images `[N, H, W, 3]`; a new array of the same shape.

    Equal arguments give equal results, and what befalls image i does not depend on how many images follow it.
    Raises `UnknownName` for another kind, `BadInput` for another severity or form.
    """
    if kind not in _FUNCTIONS:
        raise UnknownName("corruption", kind, KINDS)
    if severity not in SEVERITIES:
        raise BadInput(f"`severity` should be one of 1, 2, 3, 4, 5. Found {severity!r}.")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:3]:
        raise BadInput(f"`images` should be uint8 [N, H, W, 3]. Found {images.dtype} {list(images.shape)}.")
    table = CIFAR if scale_of(*images.shape[1:3]) == "CIFAR-10-C" else IMAGENET
    constant = table[kind][severity - 1]
    out = np.empty_like(images)
    for index, image in enumerate(images):
        out[index] = corrupt_one(image, kind, constant, np.random.default_rng([seed, index]))
    return out


def corrupt_one(image: np.ndarray, kind: str, constant: Constant, draws: Draws) -> np.ndarray:
    """One image uint8 `[H, W, 3]`; fractions are cut off, as in the published sets."""
    return np.asarray(np.clip(_FUNCTIONS[kind](image, constant, draws), 0, 255).astype(np.uint8))
