"""The tasks of a suite as cards: a strip of images, class names, how many images, and how well base and expert do."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadSuite
from core.suites import SuiteFile
from core.tasks import SPLITS
from core.tasks.arrays import load_arrays

SHOWN = 6
"""Images on one card."""
SIDE = 56
"""Side of one of them, in pixels."""
CLASSES_SHOWN = 40


def cards(suite: SuiteFile) -> list[dict[str, Any]]:
    """One card per task; where the images can't be read the card says so in `problem`."""
    return [_card(suite, task) for task in suite.tasks]


def _card(suite: SuiteFile, task: Any) -> dict[str, Any]:
    card = {
        "name": task.name,
        "title": task.title or task.name,
        "classes": list(task.classes[:CLASSES_SHOWN]),
        "class_count": len(task.classes),
        "templates": len(task.templates),
        "expert": task.expert is not None,
        "images": {},
        "strip": "",
        "problem": "",
    }
    try:
        path = suite.resolve(task.data.path)
        card["images"] = counts(path)
        card["strip"] = strip(path, len(task.classes))
    except (BadSuite, OSError, ValueError, zipfile.BadZipFile) as error:
        card["problem"] = f"The images can't be read: {error}"
    return card


def counts(path: Path) -> dict[str, int]:
    """Split -> number of images, from the headers alone."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for split in SPLITS:
            name = f"{split}_images.npy"
            if name in archive.namelist():
                with archive.open(name) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    found[split] = int(read(file)[0][0])
    return found


def strip(path: Path, classes: int) -> str:
    """Some images of different classes side by side, as a data URI; empty where there are none."""
    from PIL import Image

    images = next(
        (found for split in reversed(SPLITS) if (found := load_arrays(path, split, classes)) is not None), None
    )
    if images is None:
        return ""
    picked = _different(images.labels.numpy() if images.labels is not None else None, len(images))
    sheet = Image.new("RGB", (SIDE * len(picked), SIDE))
    for place, index in enumerate(picked):
        picture = Image.fromarray(images.pixels[index].numpy())
        small = picture.width < SIDE
        picture = picture.resize((SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
        sheet.paste(picture, (place * SIDE, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _different(labels: np.ndarray | None, count: int) -> list[int]:
    """Indices of up to `SHOWN` images, of as many classes as there are."""
    if labels is None:
        return [int(index) for index in np.linspace(0, count - 1, min(SHOWN, count))]
    first = np.sort(np.unique(labels, return_index=True)[1])
    if len(first) < SHOWN:
        rest = np.setdiff1d(np.arange(min(count, 200)), first)
        return [int(index) for index in np.concatenate([first, rest])[:SHOWN]]
    return [int(first[place]) for place in np.linspace(0, len(first) - 1, SHOWN).astype(int)]
