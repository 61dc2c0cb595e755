"""Common corruptions of images at five severities, for measuring how a model fares on spoilt input.

Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR 2019).
Images whose shorter side has at most `SMALL` pixels take the constants of CIFAR-10-C, larger ones those of ImageNet-C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from core.errors import BadInput, UnknownName
from core.problem.stress import plain_corruptions as plain
from core.problem.stress.plain_corruptions import Draws
from core.problem.stress.spatter import spatter

__all__ = ["KINDS", "SEVERITIES", "SMALL", "corrupt", "scale_of"]

Constant = Any
"""A number, or a tuple of numbers, which the corruption's function explains."""

IMAGENET: dict[str, tuple[Constant, ...]] = {
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "spatter": (
        (0.65, 0.3, 4, 0.69, 0.6, "water"),
        (0.65, 0.3, 3, 0.68, 0.6, "water"),
        (0.65, 0.3, 2, 0.68, 0.5, "water"),
        (0.65, 0.3, 1, 0.65, 1.5, "mud"),
        (0.67, 0.4, 1, 0.65, 1.5, "mud"),
    ),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "jpeg_compression": (25, 18, 15, 10, 7),
}
CIFAR: dict[str, tuple[Constant, ...]] = {
    "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "spatter": (
        (0.62, 0.1, 0.7, 0.7, 0.5, "water"),
        (0.65, 0.1, 0.8, 0.7, 0.5, "water"),
        (0.65, 0.3, 1, 0.69, 0.5, "water"),
        (0.65, 0.1, 0.7, 0.69, 0.6, "mud"),
        (0.65, 0.1, 0.5, 0.68, 0.6, "mud"),
    ),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "jpeg_compression": (80, 65, 58, 50, 40),
}

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
