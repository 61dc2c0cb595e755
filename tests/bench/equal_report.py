"""The tables of `equal_suites`: every row on every suite at every number of images, and where `best` is behind."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from core import methods
from tests.bench.equal_rows import APART

Row = Mapping[str, Any]
Key = tuple[str, int, str]


def chosen(rows: Sequence[Row]) -> dict[Key, Row]:
    """(suite, images, title) -> the row of seed 0 whose rate or scale reads most held-out images."""
    found: dict[Key, Row] = {}
    for row in rows:
        key = (row["suite"], row["images"], row["title"])
        if row["values"]["seed"] == 0 and (key not in found or _held(row) > _held(found[key])):
            found[key] = row
    return found


def seeds(rows: Sequence[Row]) -> dict[Key, list[float]]:
    """The same keys -> average accuracy on test images, seed by seed, seed 0 first."""
    best = chosen(rows)
    found = {key: [average(row)] for key, row in best.items()}
    for row in sorted(rows, key=lambda one: one["values"]["seed"]):
        key = (row["suite"], row["images"], row["title"])
        if row["values"]["seed"] and key in best and {**row["values"], "seed": 0} == best[key]["values"]:
            found[key].append(average(row))
    return found


def average(row: Row) -> float:
    """Accuracy on test images, mean over the tasks."""
    return statistics.fmean(row["test"].values())


def show(rows: Sequence[Row], tops: int = 100) -> None:
    """Print a table for each suite and number of images, and what is ahead of `best` there."""
    reached, own = seeds(rows), methods.get("best").title
    blocks = {row["title"]: row["block"] for row in rows}
    for suite in dict.fromkeys(key[0] for key in reached):
        for images in sorted({key[1] for key in reached if key[0] == suite} - {0}):
            here = {title: v for (s, i, title), v in reached.items() if s == suite and i in (0, images)}
            print(f"\n{suite}, {images} images")
            for title in sorted(here, key=lambda one: -statistics.fmean(here[one]))[:tops]:
                print(f"  {told(here[title]):16} {title}")
            rivals = {title: values for title, values in here.items() if title != own and blocks[title] != APART}
            if own in here:
                print("  " + behind(here[own], rivals))


def behind(best: Sequence[float], rivals: Mapping[str, Sequence[float]]) -> str:
    """Which rivals are ahead of `best` by more than a standard error of the difference."""
    ahead = []
    for title, values in rivals.items():
        difference = statistics.fmean(values) - statistics.fmean(best)
        if difference > math.hypot(error(values), error(best)):
            ahead.append(f"{title} by {100 * difference:.2f}")
    return f"`best` is behind {', '.join(ahead)}." if ahead else "`best` is behind nothing."


def error(values: Sequence[float]) -> float:
    """Standard error of the mean over seeds; 0 of a single one."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def told(values: Sequence[float]) -> str:
    """Mean, standard error and number of seeds, in percent."""
    return f"{100 * statistics.fmean(values):.2f} ± {100 * error(values):.2f} ({len(values)})"


def _held(row: Row) -> float:
    return statistics.fmean(row["held_out"].values())
