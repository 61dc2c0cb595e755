"""The papers' own numbers, with their sources (assets/reference)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from core.paths import ASSETS
from core.statistics import Estimate
from core.studies.engine.result import Column, Row, Table, Unit


@cache
def tables() -> dict[str, Any]:
    """assets/reference/paper_tables.json; accuracies are in per cent."""
    found: dict[str, Any] = json.loads((ASSETS / "reference" / "paper_tables.json").read_text("utf-8"))
    return found


def of_study(name: str) -> tuple[Table, ...]:
    """What a paper has in answer to the question of a study, if any has."""
    found = tables()["studies"].get(name)
    return (table(**found),) if found else ()


def table(
    title: str,
    head: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[float]],
    where: str,
    unit: Unit = "percent",
    arch: str = "ViT-B/32",
) -> Table:
    """A paper's table, whose numbers are in per cent unless another `unit` is named; `where` it stands there."""
    factor = 100 if unit == "percent" else 1
    lines = tuple(Row(label, tuple(Estimate(value / factor) for value in values)) for label, values in rows.items())
    source = f"AdaMerging (Yang et al., ICLR 2024), {where}; {arch} on the paper's eight tasks, not measured here"
    return Table(title, head, tuple(Column(name, unit) for name in columns), lines, source)


def architecture(name: str) -> str:
    """`ViT-B-32-quickgelu` as the papers write it: `ViT-B/32`."""
    found = re.fullmatch(r"ViT-([A-Za-z])-(\d+)(-.+)?", name)
    return f"ViT-{found.group(1)}/{found.group(2)}" if found else name


def plain_name(task: str) -> str:
    """A task's name without case and signs: `stanford_cars` and `Cars` are the same, as are `SUN397` and `sun397`."""
    name = re.sub(r"[^a-z0-9]", "", task.lower())
    return {"stanfordcars": "cars"}.get(name, name)
