"""Glyphs of real typefaces: which families draw a script, how they are divided, and single characters as masks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .samples import divide

# Symbol, barcode, bitmap-stencil and single-case families, whose letters are not what their code points say.
UNUSABLE = (
    "barcode",
    "material",
    "emoji",
    "redacted",
    "dseg",
    "symbols",
    "math",
    "-sc",
    "yakuhan",
    "wavefont",
    "silkscreen",
    "bungee-shade",
    "ewert",
    "monoton",
    "rubik-mono",
    "audiowide",
    "unifraktur",
    "cabin-sketch",
    "fredericka",
    "monofett",
)
# Families that borrow another family's Latin or Greek under a new name, by first word: they are split together.
RELATED = {
    "open": "noto",
    "source": "noto",
    "alexandria": "montserrat",
    "readex": "lexend",
    "vazirmatn": "roboto",
    "yantramanav": "roboto",
    "el": "philosopher",
    "firago": "fira",
    "lateef": "gentium",
    "scheherazade": "gentium",
    "cairo": "titillium",
    "prompt": "kanit",
    "oxygen": "cantarell",
    "arimo": "liberation",
    "tinos": "liberation",
    "cousine": "liberation",
    "gothic": "noto",
    "line": "noto",
}
WEIGHTS = (400, 700, 300, 900)


@dataclass(frozen=True)
class Face:
    """One weight of one family."""

    family: str
    file: Path

    @property
    def group(self) -> str:
        """Families that share a first word ("noto-sans-jp", "noto-serif-jp") may share drawings: split together."""
        first = self.family.split("-")[0]
        return RELATED.get(first, first)


def covers(ranges: str, characters: Iterable[str]) -> bool:
    """Does a CSS unicode-range contain all the characters?"""
    spans = []
    for part in ranges.upper().replace("U+", "").split(","):
        if not part.strip():
            continue
        low, _, high = part.strip().partition("-")
        spans.append((int(low.replace("?", "0"), 16), int((high or low).replace("?", "F"), 16)))
    return all(any(low <= ord(c) <= high for low, high in spans) for c in characters)


def faces(packages: Path, characters: str, weights: int = 3) -> list[Face]:
    """Every usable face under a node_modules folder that draws all the characters, at most `weights` a family."""
    found = []
    for package in sorted((packages / "@fontsource").iterdir()):
        if any(word in package.name for word in UNUSABLE) or not (package / "unicode.json").exists():
            continue
        subsets = [
            n.strip("[]")
            for n, r in json.loads((package / "unicode.json").read_text()).items()
            if covers(r, characters)
        ]
        subsets = subsets or [
            s for s in ("japanese", "korean") if (package / "files" / f"{package.name}-{s}-400-normal.woff2").exists()
        ]
        files = [package / "files" / f"{package.name}-{s}-{w}-normal.woff2" for w in WEIGHTS for s in subsets[:1]]
        usable = [f for f in files if f.exists() and all(mask(f, c) is not None for c in characters)]
        found += [Face(package.name, f) for f in usable[:weights]]
    return found


def split_faces(found: list[Face], salt: str) -> dict[str, list[Face]]:
    """Divide faces by family group."""
    split = divide((face.group for face in found), salt)
    return {s: [face for face in found if split[face.group] == s] for s in ("train", "held-out", "test")}


@cache
def _font(file: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file), 56, layout_engine=ImageFont.Layout.BASIC)


def _raster(file: Path, character: str) -> Image.Image | None:
    font = _font(file)
    left, top, right, bottom = (int(v) for v in font.getbbox(character))
    if not (4 < right - left < 140 and 4 < bottom - top < 140):
        return None
    image = Image.new("L", (right - left + 4, bottom - top + 4), 0)
    ImageDraw.Draw(image).text((2 - left, 2 - top), character, fill=255, font=font)
    box = image.getbbox()
    return image.crop(box) if box else None


@cache
def mask(file: Path, character: str) -> Image.Image | None:
    """The character as a mask cut to its ink, or None where the face has no such glyph."""
    image = _raster(file, character)
    missing = _raster(file, "\U000ffffd")
    if image is None or np.asarray(image).max() < 200:
        return None
    if missing is not None and image.size == missing.size and np.array_equal(np.asarray(image), np.asarray(missing)):
        return None
    return image


def each(found: list[Face], characters: Iterable[str], repeats: int) -> Iterator[tuple[Face, str, Image.Image]]:
    """Every face with every character, `repeats` times."""
    for face in found:
        for character in characters:
            image = mask(face.file, character)
            if image is not None:
                for _ in range(repeats):
                    yield face, character, image
