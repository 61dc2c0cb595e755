"""What a glyph is painted on: each script gets its own look, so that the tasks differ as real data sets do."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from .samples import SIZE, Pixels

Rng = np.random.Generator
Canvas = NDArray[np.float64]


def colour(rng: Rng, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]) -> Canvas:
    """A random colour within ranges of hue, saturation and value (all 0-1; hue wraps round)."""
    h, s, v = rng.uniform(*hue) % 1, rng.uniform(*saturation), rng.uniform(*value)
    return np.array(colorsys.hsv_to_rgb(h, s, v)) * 255


def place(glyph: Image.Image, rng: Rng, low: int = 18, high: int = 26, turn: float = 11, shift: int = 2) -> Canvas:
    """The glyph as coverage 0-1 on a 32 px canvas: random size, rotation and position."""
    scale = rng.integers(low, high + 1) / max(glyph.size)
    size = (max(2, round(glyph.width * scale)), max(2, round(glyph.height * scale)))
    small = glyph.resize(size, Image.Resampling.BOX).rotate(
        rng.uniform(-turn, turn), Image.Resampling.BILINEAR, expand=True
    )
    canvas = Image.new("L", (SIZE, SIZE), 0)
    x, y = ((SIZE - n) // 2 + int(rng.integers(-shift, shift + 1)) for n in small.size)
    canvas.paste(small, (x, y))
    return np.asarray(canvas, np.float64) / 255


def blurred_noise(rng: Rng, cells: int, depth: float) -> Canvas:
    """Smooth random field with values about ±depth."""
    field = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8)).resize(
        (SIZE, SIZE), Image.Resampling.BICUBIC
    )
    return (np.asarray(field, np.float64)[..., None] / 127.5 - 1) * depth


def finish(picture: Canvas) -> Pixels:
    """Clip to 8 bit."""
    return np.clip(picture, 0, 255).astype(np.uint8)


def poster(glyph: Image.Image, rng: Rng) -> Pixels:
    """Two saturated colours divided by a slanted edge; light or dark letter."""
    h = rng.uniform()
    one, two = (colour(rng, (h, h + 0.12), (0.55, 1), (0.55, 0.95)) for _ in range(2))
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    angle = rng.uniform(0, np.pi)
    side = ((x - 16) * np.cos(angle) + (y - 16) * np.sin(angle) > rng.uniform(-10, 10))[..., None]
    ground = np.where(side, one, two)
    dark = ground.mean() < 150
    ink = colour(rng, (0, 1), (0, 0.25), (0.9, 1)) if dark else colour(rng, (0, 1), (0.3, 1), (0, 0.25))
    a = place(glyph, rng)[..., None]
    return finish(ground * (1 - a) + ink * a)


def chalkboard(glyph: Image.Image, rng: Rng) -> Pixels:
    """Chalk on a smudged board."""
    board = colour(rng, (0.3, 0.62), (0.15, 0.45), (0.18, 0.38)) + blurred_noise(rng, 5, 16)
    chalk = colour(rng, (0, 1), (0, 0.35), (0.88, 1))
    grain = rng.uniform(0.62, 1, (SIZE, SIZE, 1))
    a = place(glyph, rng)[..., None] * grain
    return finish(board * (1 - a) + chalk * a + rng.normal(0, 3, (SIZE, SIZE, 1)))


def paper(glyph: Image.Image, rng: Rng) -> Pixels:
    """Ink on tinted paper, now and then with a red seal in a corner."""
    sheet = colour(rng, (0.05, 0.16), (0.04, 0.28), (0.86, 1)) + blurred_noise(rng, 12, 7)
    ink = (
        colour(rng, (0.6, 0.75), (0.2, 0.7), (0.03, 0.28))
        if rng.random() < 0.7
        else colour(rng, (0.97, 1.02), (0.7, 0.95), (0.5, 0.75))
    )
    if rng.random() < 0.4:
        x, y = int(rng.choice([1, 26])), int(rng.choice([1, 26]))
        sheet[y : y + 5, x : x + 5] = colour(rng, (0.98, 1.02), (0.75, 0.95), (0.7, 0.85))
    a = place(glyph, rng)[..., None]
    return finish(sheet * (1 - a) + ink * a)


def neon(glyph: Image.Image, rng: Rng) -> Pixels:
    """A lit sign at night: bright core, coloured glow."""
    night = colour(rng, (0.6, 0.9), (0.4, 0.9), (0.05, 0.22)) + blurred_noise(rng, 4, 10)
    tube = colour(rng, (0, 1), (0.65, 1), (0.95, 1))
    a = place(glyph, rng, 20, 27, turn=8)
    halo = Image.fromarray((a * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2.2))
    glow = np.asarray(halo, np.float64)[..., None] / 255
    core = a[..., None]
    return finish((night + 0.75 * glow * tube) * (1 - core) + (0.45 * tube + 0.55 * 255) * core)


def enamel(glyph: Image.Image, rng: Rng) -> Pixels:
    """A bordered street sign."""
    plate = (
        colour(rng, (0.33, 0.66), (0.6, 1), (0.3, 0.6))
        if rng.random() < 0.75
        else colour(rng, (0.0, 0.06), (0.6, 0.9), (0.4, 0.6))
    )
    ink = colour(rng, (0.1, 0.17), (0, 0.6), (0.92, 1))
    image = Image.new("RGB", (SIZE, SIZE), tuple(int(v) for v in colour(rng, (0, 1), (0, 0.3), (0.5, 0.9))))
    draw = ImageDraw.Draw(image)
    inset = int(rng.integers(0, 3))
    draw.rounded_rectangle(
        (inset, inset, SIZE - 1 - inset, SIZE - 1 - inset),
        int(rng.integers(2, 7)),
        fill=tuple(int(v) for v in plate),
        outline=tuple(int(v) for v in ink),
    )
    a = place(glyph, rng, 16, 22, turn=7)[..., None]
    return finish(np.asarray(image, np.float64) * (1 - a) + ink * a + blurred_noise(rng, 3, 8))


def mosaic(glyph: Image.Image, rng: Rng) -> Pixels:
    """Gold or ivory on coloured tiles with grout."""
    h = rng.uniform(0.45, 0.68)
    tile = int(rng.integers(4, 8))
    tones = np.stack([colour(rng, (h - 0.05, h + 0.05), (0.5, 0.95), (0.3, 0.6)) for _ in range(64)])
    rows = (np.arange(SIZE) + int(rng.integers(tile))) // tile
    ground = tones[(rows[:, None] * 7 + rows[None, :] * 3 + rng.integers(0, 3, (1, 1))) % 64]
    lines = (np.arange(SIZE) + rows) % tile == 0
    ground[lines] *= 0.8
    ground[:, lines] *= 0.8
    ink = colour(rng, (0.1, 0.15), (0.15, 0.75), (0.9, 1))
    a = place(glyph, rng, 19, 27, turn=8)[..., None]
    return finish(ground * (1 - a) + ink * a)


def plain(glyph: Image.Image, rng: Rng) -> Pixels:
    """Any two colours that can be told apart (pre-training only)."""
    one, two = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    while abs(one.mean() - two.mean()) < 70:
        one, two = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    a = place(glyph, rng)[..., None]
    return finish(one * (1 - a) + two * a)


LOOKS: dict[str, Callable[[Image.Image, Rng], Pixels]] = {
    "poster": poster,
    "chalkboard": chalkboard,
    "paper": paper,
    "neon": neon,
    "enamel": enamel,
    "mosaic": mosaic,
    "plain": plain,
}
