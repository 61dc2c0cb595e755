"""The tables of `equal_suites`: every row on every suite at every number of images, and where `best` is behind."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from core import methods
from tests.bench.equal_rows import APART, SINGLE, Entry

Row = Mapping[str, Any]
Key = tuple[str, int, str]


def chosen(rows: Sequence[Row]) -> dict[Key, Row]:
    """(suite, images, title) -> the row of the lowest seed whose rate or scale reads most held-out images."""
    found: dict[Key, Row] = {}
    for row in rows:
        key, rank = _key(row), (-row["values"]["seed"], _held(row))
        if key not in found or rank > (-found[key]["values"]["seed"], _held(found[key])):
            found[key] = row
    return found


def seeds(rows: Sequence[Row]) -> dict[Key, list[float]]:
    """The same keys -> average accuracy on test images at that rate, seed by seed."""
    best, found = chosen(rows), dict[Key, list[float]]()
    for row in sorted(rows, key=lambda one: one["values"]["seed"]):
        key = _key(row)
        if {**row["values"], "seed": 0} == {**best[key]["values"], "seed": 0}:
            found.setdefault(key, []).append(average(row))
    return found


def _key(row: Row) -> Key:
    return row["suite"], row["images"], row["title"]


def plain(rows: Sequence[Row], planned: Collection[Key], published: Mapping[str, Any]) -> dict[str, Any]:
    """What `core.studies.everywhere` reads: rows with a settled rate, beside what was `published` before.

    A formula counts for every number of images.
    """
    own = chosen(rows)
    reached = {key: values for key, values in seeds(rows).items() if settled(own[key], rows)}
    budgets = sorted({images for _, images, _ in reached} - {0}) or sorted({images for _, images, _ in planned} - {0})
    found: dict[str, Any] = dict(published.get("rows", {}))
    for key, values in sorted(reached.items()):
        (suite, images, title), row = key, own[key]
        if row["block"] == APART:
            continue
        one = found.setdefault(title, {"method": row["method"], "own": usual(row), "accuracy": {}})
        told = [round(statistics.fmean(values), 4), round(error(values), 4), len(values)]
        one["accuracy"] |= {f"{suite} {count}": told for count in ([images] if images else budgets)}
    known = {(title, place) for title, row in found.items() for place in row["accuracy"]}
    done = sum((title, f"{suite} {images or budgets[0]}") in known for suite, images, title in planned)
    return {"planned": len(planned), "done": done, "notes": published.get("notes", []), "rows": found}


def settled(row: Row, rows: Sequence[Row]) -> bool:
    """Whether the neighbours of a row's rate or scale are measured too; another seed than 0 has it settled."""
    knob, values = row["knob"], row["values"]
    if not knob or values["seed"]:
        return True
    others = {name: value for name, value in values.items() if name != knob}
    choices = list(Entry(row["title"], row["method"], row["block"], others).choices[0])
    tried, at = {one["values"][knob] for one in rows if _key(one) == _key(row)}, choices.index(values[knob])
    return all(choices[near] in tried for near in (at - 1, at + 1) if 0 <= near < len(choices))


def usual(row: Row) -> bool:
    """Whether a row has the method's own settings but for how many images it sees, its rate and its scale."""
    fields = methods.get(row["method"]).Settings.model_fields
    free = ("steps", "batch", "samples", "rounds", "adapt_on", "seed", row["knob"])
    return row["block"] == SINGLE and all(
        fields[name].default == value for name, value in row["values"].items() if name not in free
    )


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
