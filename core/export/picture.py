"""λ as a picture: one row a group, one column a task, drawn with Pillow so that no chart library is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

BLUE, ORANGE, PAPER, INK = (31, 90, 166), (203, 92, 18), (255, 255, 255), (34, 34, 34)
CELL, LEFT, TOP, EDGE = 22, 300, 110, 12
MAX_ROWS = 400
"""More groups than that (one a tensor, of large encoders) get lower rows, without names."""


def draw_coefficients(values: npt.NDArray[np.float32], groups: Sequence[str], tasks: Sequence[str], path: Path) -> None:
    """Write a PNG of λ `[groups, tasks]`: white is 0, blue positive, orange negative, full colour the largest |λ|."""
    height = CELL if len(groups) <= MAX_ROWS else max(1, CELL * MAX_ROWS // len(groups))
    width = max(CELL, min(60, 640 // len(tasks)))
    size = (LEFT + width * len(tasks) + EDGE, TOP + height * len(groups) + EDGE)
    picture = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    largest = float(np.abs(values).max()) or 1.0
    pen.text((EDGE, EDGE), f"lambda; full colour is {largest:.2f}", INK, font)
    for row, name in enumerate(groups):
        top = TOP + row * height
        if height == CELL:
            pen.text((EDGE, top + 3), name[:44], INK, font)
        for column in range(len(tasks)):
            left = LEFT + column * width
            pen.rectangle(
                (left, top, left + width - 1, top + height - 1), _colour(float(values[row, column]) / largest)
            )
    for column, name in enumerate(tasks):
        _upright(picture, name[:16], LEFT + column * width + width // 2, font)
    picture.save(path, "PNG", optimize=True)


def _colour(share: float) -> tuple[int, int, int]:
    full, amount = (BLUE if share >= 0 else ORANGE), min(1.0, abs(share))
    red, green, blue = (round(paper + (ink - paper) * amount) for paper, ink in zip(PAPER, full, strict=True))
    return red, green, blue


def _upright(picture: Image.Image, name: str, centre: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> None:
    label = Image.new("RGB", (TOP - EDGE - 6, 18), PAPER)
    ImageDraw.Draw(label).text((0, 1), name, INK, font)
    picture.paste(label.rotate(90, expand=True), (centre - 9, EDGE))
