"""Published accuracies beside measured ones, where the suite is one of the papers' own."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from core.paths import ASSETS
from core.suites import SuiteFile
from dashboard.compare.table import Cell, Row


@cache
def tables() -> dict[str, Any]:
    """assets/reference/paper_tables.json."""
    found: dict[str, Any] = json.loads((ASSETS / "reference" / "paper_tables.json").read_text("utf-8"))
    return found


def rows(suite: SuiteFile, tasks: tuple[str, ...]) -> list[Row]:
    """The papers' rows in the order of `tasks`; empty unless architecture and tasks are those of the papers."""
    known = tables()
    arch = architecture(suite.entry.base.arch)
    names = [plain_name(task) for task in known["tasks"]]
    wanted = [plain_name(task) for task in tasks]
    if arch not in known["accuracy"] or sorted(wanted) != sorted(names):
        return []
    source = str(known["source"])
    found = []
    for method, values in known["accuracy"][arch].items():
        cells = tuple(Cell(values[names.index(task)] / 100) for task in wanted)
        found.append(_row(method, cells, values[len(names)] / 100, source))
    averages = known["average_accuracy"][arch]
    told = {re.sub(r" \(.*", "", row.method) for row in found}
    for method, average in averages.items():
        if method not in told:
            found.append(_row(method, tuple(Cell() for _ in wanted), average / 100, source))
    return found


def architecture(name: str) -> str:
    """`ViT-B-32-quickgelu` as the papers write it: `ViT-B/32`."""
    found = re.fullmatch(r"ViT-([A-Za-z])-(\d+)(-.+)?", name)
    return f"ViT-{found.group(1)}/{found.group(2)}" if found else name


def plain_name(task: str) -> str:
    """A task's name without case and signs: `stanford_cars` and `Cars` are the same, as are `SUN397` and `sun397`."""
    name = re.sub(r"[^a-z0-9]", "", task.lower())
    return {"stanfordcars": "cars"}.get(name, name)


def _row(method: str, cells: tuple[Cell, ...], average: float, source: str) -> Row:
    return Row(
        id="published-" + re.sub(r"[^a-z0-9]+", "-", method.lower()).strip("-"),
        kind="published",
        name=f"{method}, published",
        method=method,
        cells=cells,
        average=average,
        note=f"published: {source}",
    )
