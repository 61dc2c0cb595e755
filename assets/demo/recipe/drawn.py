"""Tasks put together from drawings: glyphs of typefaces, flags, fruit and vegetables."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from .drawings import draw, families, find, sticker
from .samples import SIZE, Pixels, Sample, thumbnail
from .surfaces import LOOKS, Rng, colour, finish
from .tasks import Task
from .typefaces import each, faces, split_faces

# Whole vendors are set aside; nothing of them is used anywhere else, pre-training included.
TEST_VENDORS = ("twemoji", "circle-flags", "noto")
HELD_OUT_VENDORS = ("noto-v1", "flagpack")
# How a vendor may name the flag of a country.
FLAG_VENDORS = {
    "flag": ("{code}-4x3",),
    "cif": ("{code}",),
    "emojione": ("flag-for-{country}",),
    "fxemoji": ("{joined}flag",),
    "streamline-emojis": ("{country}",),
    "twemoji": ("flag-{country}",),
    "circle-flags": ("{code}",),
    "noto-v1": ("flag-for-flag-{country}", "flag-for-{country}"),
    "flagpack": ("{code}-ukm", "{code}"),
}
FOOD_VENDORS = (
    "emojione",
    "fluent-emoji-flat",
    "fluent-emoji",
    "fxemoji",
    "streamline-emojis",
    "icon-park",
    "noto-v1",
    "twemoji",
    "noto",
)


def side(vendor: str) -> str:
    """The split a vendor belongs to."""
    return "test" if vendor in TEST_VENDORS else "held-out" if vendor in HELD_OUT_VENDORS else "train"


def glyphs(work: Path, task: Task, rng: Rng) -> dict[str, list[Sample]]:
    """Every face with every character of the task, on the task's surface; split by typeface group."""
    split: dict[str, list[Sample]] = {}
    for name, found in split_faces(faces(work / "npm/node_modules", task.characters), task.salt).items():
        wanted = {"train": 460, "held-out": 50, "test": 90}[name]
        repeats = max(1, min(14, -(-wanted // max(1, len(found)))))
        split[name] = [
            Sample(LOOKS[task.look](image, rng), task.characters.index(c), thumbnail(image))
            for _, c, image in each(found, task.characters, repeats)
        ]
    return split


def waving(image: Image.Image, rng: Rng) -> Pixels:
    """A flag as cloth: squeezed a little, turned, with folds of light, on any plain ground."""
    scale = rng.integers(23, 31) / max(image.size)
    size = (max(2, round(image.width * scale)), max(2, round(image.height * scale * rng.uniform(0.82, 1.05))))
    small = image.resize(size, Image.Resampling.BOX).rotate(rng.uniform(-14, 14), Image.Resampling.BICUBIC, expand=True)
    canvas = Image.fromarray(finish(np.broadcast_to(colour(rng, (0, 1), (0, 0.6), (0.3, 1)), (SIZE, SIZE, 3))))
    x, y = ((SIZE - n) // 2 + int(rng.integers(-2, 3)) for n in small.size)
    canvas.paste(small, (x, y), small)
    folds = 1 + rng.uniform(0, 0.22) * np.sin(np.linspace(0, rng.uniform(3, 9), SIZE) + rng.uniform(0, 6.3))
    return finish(np.asarray(canvas, np.float64) * folds[None, :, None])


def flags(work: Path, task: Task, rng: Rng) -> dict[str, list[Sample]]:
    """Flags of several vendors; split by vendor."""
    split: dict[str, list[Sample]] = {"train": [], "held-out": [], "test": []}
    for vendor, names in FLAG_VENDORS.items():
        family = families(work)[vendor]
        for label, code in enumerate(task.codes):
            country = task.classes[label].lower().replace(" ", "-")
            told = [name.format(code=code, country=country, joined=country.replace("-", "")) for name in names]
            name = next((n for n in told if find(family, n)), None)
            image = draw(family, name) if name else None
            if image is not None:
                repeats = {"train": 60, "held-out": 15, "test": 20}[side(vendor)]
                split[side(vendor)] += [Sample(waving(image, rng), label, thumbnail(image)) for _ in range(repeats)]
    return split


def produce(work: Path, task: Task, rng: Rng) -> dict[str, list[Sample]]:
    """Fruit and vegetable emoji of several vendors; split by vendor."""
    split: dict[str, list[Sample]] = {"train": [], "held-out": [], "test": []}
    for vendor in FOOD_VENDORS:
        family = families(work)[vendor]
        for label, name in enumerate(task.codes):
            image = draw(family, name) or draw(family, re.sub("ear-of-|s$", "", name))
            if image is not None:
                repeats = {"train": 70, "held-out": 32, "test": 30}[side(vendor)]
                split[side(vendor)] += [Sample(sticker(image, rng), label, thumbnail(image)) for _ in range(repeats)]
    return split
