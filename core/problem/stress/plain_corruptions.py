"""Corruptions of one formula each: noise, blur, resolution, contrast, compression.

Each takes one image uint8 `[H, W, 3]`, its constant and a source of random numbers, and gives values 0…255.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

Draws = np.random.Generator | np.random.RandomState


def gaussian_noise(image: np.ndarray, deviation: float, draws: Draws) -> np.ndarray:
    """Add normal noise of this standard deviation, in units of the full range, to each value."""
    return np.clip(image / 255 + draws.normal(0, deviation, image.shape), 0, 1) * 255


def impulse_noise(image: np.ndarray, share: float, draws: Draws) -> np.ndarray:
    """Set this share of all values (not pixels) to 0 or 255, each as likely."""
    hit, white = draws.random(image.shape) <= share, draws.random(image.shape) <= 0.5
    return np.where(hit, np.where(white, 255, 0), image)


def contrast(image: np.ndarray, factor: float, _draws: Draws) -> np.ndarray:
    """Scale the distance of each value from its channel's mean."""
    x = image / 255
    mean = x.mean(axis=(0, 1), keepdims=True)
    return np.asarray(np.clip((x - mean) * factor + mean, 0, 1) * 255)


def pixelate(image: np.ndarray, factor: float, _draws: Draws) -> np.ndarray:
    """Average into a grid whose side is this part of the image's, and enlarge it again without smoothing."""
    height, width = image.shape[:2]
    small = (max(1, int(width * factor)), max(1, int(height * factor)))
    picture = Image.fromarray(image).resize(small, Image.Resampling.BOX)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(image: np.ndarray, quality: int, _draws: Draws) -> np.ndarray:
    """Write as JPEG of this quality and read again."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def motion_blur(image: np.ndarray, constant: tuple[int, float], draws: Draws) -> np.ndarray:
    """Smear along a line at −45…45° by half a Gaussian of (radius, deviation) pixels, as ImageMagick does.

    Pixels beyond the border repeat the border's.
    """
    radius, deviation = constant
    angle = np.deg2rad(draws.uniform(-45, 45))
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    weights /= weights.sum()
    down, right = (np.ceil(steps * part - 0.5).astype(int) for part in (np.sin(angle), np.cos(angle)))
    rows, columns = (np.arange(size) for size in image.shape[:2])
    out = np.zeros(image.shape)
    for weight, dy, dx in zip(weights, down, right, strict=True):
        out += weight * image[np.clip(rows + dy, 0, rows[-1])[:, None], np.clip(columns + dx, 0, columns[-1])]
    return out
