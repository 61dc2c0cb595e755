"""The papers' own numbers, with their sources (assets/reference)."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from core.paths import ASSETS


@cache
def tables() -> dict[str, Any]:
    """assets/reference/paper_tables.json; accuracies are in per cent."""
    found: dict[str, Any] = json.loads((ASSETS / "reference" / "paper_tables.json").read_text("utf-8"))
    return found


def architecture(name: str) -> str:
    """`ViT-B-32-quickgelu` as the papers write it: `ViT-B/32`."""
    found = re.fullmatch(r"ViT-([A-Za-z])-(\d+)(-.+)?", name)
    return f"ViT-{found.group(1)}/{found.group(2)}" if found else name


def plain_name(task: str) -> str:
    """A task's name without case and signs: `stanford_cars` and `Cars` are the same, as are `SUN397` and `sun397`."""
    name = re.sub(r"[^a-z0-9]", "", task.lower())
    return {"stanfordcars": "cars"}.get(name, name)
