"""Single models at equal numbers of images on several suites, as `python -m tests.bench.equal_suites` measured them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.paths import ASSETS

FILE = ASSETS / "reference" / "equal_suites.json"
_VISIBLE = 0.0005
"""A difference that is not 0.0 points when it is written."""
BEST = "best"
"""The method that is held against all others."""
_INTRODUCTION = """
## On several suites at equal numbers of images

Accuracy in % with {counts} unlabelled images over all tasks (formulas use none). `demo` is the bundled suite; the
others are derived from it. In `weak`, task vectors are cut to a third of their length; in `uneven`, some are cut to a
quarter or half, and some are doubled; `many` has sixteen tasks with half of the classes each, and experts trained on
these. For every row, the rate or scale was chosen on held-out images with seed 0. A value with ± (standard error) is
the mean of several seeds; any other comes from one. Of {planned} planned cells, {done} have been measured so far; –
marks the rest.
A row whose title is not that of a method is a variant: a method with other settings than its defaults.
`python -m tests.bench.equal_suites`
"""


def read() -> dict[str, Any]:
    """What the file holds: `rows`, how many places of how many `planned` are `done`, and `notes` on what was tried."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}
    return found


def rows() -> dict[str, Any]:
    """Title -> `method`, `own` (whether it has the method's own settings) and `accuracy`: "suite images" -> mean,
    standard error, number of seeds. Empty where this installation has no such file."""
    found: dict[str, Any] = read().get("rows", {})
    return found


def behind(row: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """How far a row is behind the best one of each place, on average; a fraction."""
    gaps: list[float] = [max(_values(found, place)) - told[0] for place, told in row["accuracy"].items()]
    return sum(gaps) / len(gaps)


def markdown() -> list[str]:
    """A table of all rows on all suites, and where `best` is behind."""
    file, found = read(), rows()
    if not found:
        return []
    places = list(dict.fromkeys(place for row in found.values() for place in row["accuracy"]))
    suites = list(dict.fromkeys(place.split()[0] for place in places))
    budgets = sorted({int(place.split()[1]) for place in places})
    counts = " / ".join(f"{count:,}" for count in budgets)
    lines = _INTRODUCTION.format(counts=counts, done=file["done"], planned=file["planned"]).splitlines()
    lines += ["", f"| row | points behind the best (mean) | {' | '.join(suites)} |", f"|---|---|{'---|' * len(suites)}"]
    for title, row in sorted(found.items(), key=lambda one: behind(one[1], found)):
        cells = [" / ".join(_told(row["accuracy"].get(f"{suite} {count}")) for count in budgets) for suite in suites]
        lines.append(f"| {title} | {100 * behind(row, found):.1f} | {' | '.join(cells)} |")
    told = [line for place in places if (line := _beaten(found, place))]
    told = told or ["- `best` is not behind any measured row by more than a standard error"]
    return [*lines, "", *told, *(f"- {note}" for note in file["notes"])]


def _values(found: Mapping[str, Any], place: str) -> list[float]:
    return [row["accuracy"][place][0] for row in found.values() if place in row["accuracy"]]


def _told(value: Sequence[float] | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value[0]:.1f}" + (f" ± {100 * value[1]:.1f}" if value[2] > 1 else "")


def _beaten(found: Mapping[str, Any], place: str) -> str:
    """What is ahead of `best` by more than a standard error of the difference, and visibly; empty: nothing."""
    own: Mapping[str, Any] = next(
        (row["accuracy"] for row in found.values() if row["method"] == BEST and row["own"]), {}
    )
    if place not in own:
        return ""
    here = {title: row["accuracy"][place] for title, row in found.items() if place in row["accuracy"]}
    gaps = {title: told[0] - own[place][0] for title, told in here.items()}
    ahead = [title for title, told in here.items() if gaps[title] > max(math.hypot(told[1], own[place][1]), _VISIBLE)]
    if not ahead:
        return ""
    suite, count = place.split()
    listed = ", ".join(f"“{title}” by {100 * gaps[title]:.1f}" for title in sorted(ahead, key=lambda one: -gaps[one]))
    return f"- On `{suite}` with {int(count):,} images, `{BEST}` is behind {listed}"
