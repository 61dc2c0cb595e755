"""The tasks of a suite as cards: a strip of images, class names, how many images, and how well base and expert do."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageOps

from core.errors import BadSuite
from core.suite.find import SuiteFile
from core.tasks.describe import describe, pictures
from dashboard.pages.setup.shapes import Card
from dashboard.ui import data_uri

SHOWN = 6
"""Images on one card."""
SIDE = 56
"""Side of one of them, in pixels."""
CLASSES_SHOWN = 40


def cards(suite: SuiteFile) -> list[Card]:
    """One card per task; where the images can't be read the card says so in `problem`."""
    return [_card(suite, task) for task in suite.tasks]


def _card(suite: SuiteFile, task: Any) -> Card:
    card: Card = {
        "name": task.name,
        "title": task.title or task.name,
        "classes": list(task.classes[:CLASSES_SHOWN]),
        "class_count": len(task.classes),
        "expert": task.expert is not None,
        "images": {},
        "strip": "",
        "problem": "",
    }
    try:
        source = task.source()
        found = describe(source)
        card["images"], card["labelled"] = dict(found.images), found.labelled.get("test", True)
        card["held_out"] = found.held_out
        card["problem"] = f"The images can't be read: {'; '.join(found.problems)}" if found.problems else ""
        if found.images:
            card["strip"] = strip(pictures(source, SHOWN, len(task.classes)))
    except (BadSuite, OSError, ValueError) as error:
        card["problem"] = f"The images can't be read: {error}"
    return card


def strip(found: list[Image.Image]) -> str:
    """Pictures side by side, as a data URI; empty where there are none."""
    if not found:
        return ""
    sheet = Image.new("RGB", (SIDE * len(found), SIDE))
    for place, picture in enumerate(found):
        small = picture.width < SIDE
        square = ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
        sheet.paste(square, (place * SIDE, 0))
    return data_uri(sheet)
