"""A labelled 32 px picture, and how sources are divided between train, held-out and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 32
SPLITS = ("train", "held-out", "test")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One picture.

    `drawing` is a 16 px thumbnail of what is shown, before background, colour and rotation are added: two pictures of
    one drawing share it however different they look, which is what the search for twins needs.
    """

    pixels: Pixels
    label: int
    drawing: Pixels
    caption: str = ""


def digest(text: str) -> int:
    """A stable integer of a text (Python's own hash changes from run to run)."""
    return int.from_bytes(hashlib.sha1(text.encode()).digest()[:8], "big")


def divide(sources: Iterable[str], salt: str, test: float = 0.27, held_out: float = 0.15) -> dict[str, str]:
    """Give every source (typeface group, map block, ...) to exactly one split, in an order fixed by `salt`."""
    ordered = sorted(set(sources), key=lambda source: digest(f"{salt}/{source}"))
    tests = round(len(ordered) * test)
    held = tests + max(1, round(len(ordered) * held_out))
    return {s: "test" if i < tests else "held-out" if i < held else "train" for i, s in enumerate(ordered)}


def thumbnail(picture: Image.Image) -> Pixels:
    """16 px thumbnail on white; transparent margins are cut off so that position and size do not matter."""
    if picture.mode == "L":
        box = picture.getbbox()
        shown = Image.merge("RGB", [Image.eval(picture.crop(box), lambda v: 255 - v)] * 3)
    else:
        shown = picture.convert("RGBA").crop(picture.convert("RGBA").getbbox())
        white = Image.new("RGBA", shown.size, (255, 255, 255, 255))
        white.alpha_composite(shown)
        shown = white.convert("RGB")
    side = max(shown.size)
    square = Image.new("RGB", (side, side), (255, 255, 255))
    square.paste(shown, ((side - shown.width) // 2, (side - shown.height) // 2))
    return np.asarray(square.resize((16, 16), Image.Resampling.BOX))


def at_most(samples: Sequence[Sample], per_class: int, rng: np.random.Generator) -> list[Sample]:
    """A shuffled selection with at most `per_class` samples of each label."""
    taken: dict[int, int] = {}
    chosen = []
    for i in rng.permutation(len(samples)):
        sample = samples[i]
        if taken.get(sample.label, 0) < per_class:
            taken[sample.label] = taken.get(sample.label, 0) + 1
            chosen.append(sample)
    return chosen
