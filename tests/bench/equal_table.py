"""The table of `equal_samples`, and what has to hold of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from core.problem.method import Need
from tests.bench.demo_gate import Row
from tests.bench.equal_rows import BLOCKS, SINGLE, Entry

BEST = "best"
PLAIN = ("adamerging", {"group": "tensor", "objective": "entropy"})
"""What costs are told in multiples of: AdaMerging as published, layer-wise."""
Measured = Mapping[str, Sequence[Row]]


def show(entries: Sequence[Entry], measured: Measured, tasks: Sequence[str], images: int) -> None:
    """Print every block from best to worst, then where `best` is not the best."""
    plain = next((e.title for e in entries if e.method == PLAIN[0] and PLAIN[1].items() <= e.values.items()), "")
    own = next((entry.title for entry in entries if entry.method == BEST and entry.block == SINGLE), "")
    for block in BLOCKS:
        rows = sorted((e for e in entries if e.block == block), key=lambda e: -_mean(measured[e.title]))
        print(f"\n{block} ({images} images where any are needed)")
        print(
            f"{'':46} {'average':12} " + " ".join(f"{task[:5]:>5}" for task in tasks) + "  seconds   times AdaMerging"
        )
        for entry in rows:
            times = _seconds(measured[entry.title]) / _seconds(measured[plain]) if plain else float("nan")
            print(f"{line(entry.title, measured[entry.title])} {times:6.2f}   n={len(measured[entry.title])}")
    told = behind(entries, measured, own, tasks) if own else []
    for note in (*unequal(entries, measured, images), *told):
        print(note)


def line(title: str, rows: Sequence[Row]) -> str:
    """Average ± standard deviation over seeds, the tasks' averages, processor seconds."""
    averages = [100 * row.average for row in rows]
    spread = f" ± {statistics.stdev(averages):.2f}" if len(averages) > 1 else ""
    each = " ".join(f"{100 * statistics.fmean(row.accuracy[task] for row in rows):5.1f}" for task in rows[0].accuracy)
    return f"{title:46} {statistics.fmean(averages):5.2f}{spread:7} {each} {_seconds(rows):8.1f} s"


def behind(entries: Sequence[Entry], measured: Measured, own: str, tasks: Sequence[str]) -> list[str]:
    """Where any other row is above `best`, on average or on a task."""
    told, best = [], measured[own]
    for entry in entries:
        rows = measured[entry.title]
        if entry.title == own:
            continue
        gap = 100 * (_mean(best) - _mean(rows))
        if gap <= 0:
            told.append(f"`best` loses to {entry.title} ({entry.block}) by {-gap:.2f} points on average.")
    for task in tasks:
        reached = {
            e.title: statistics.fmean(r.accuracy[task] for r in measured[e.title]) for e in entries if e.block == SINGLE
        }
        winner = max(reached, key=lambda title: reached[title])
        if winner != own:
            told.append(f"On {task} {winner} reaches {100 * reached[winner]:.1f}, `best` {100 * reached[own]:.1f}.")
    return told


def ahead(entries: Sequence[Entry], measured: Measured) -> bool:
    """Whether `best` is above every other single merged model, seed by seed (formulas have one row for all)."""
    own = next(entry.title for entry in entries if entry.method == BEST and entry.block == SINGLE)
    others = [measured[entry.title] for entry in entries if entry.block == SINGLE and entry.title != own]
    return all(
        row.average > found[at if len(found) > 1 else 0].average
        for found in others
        for at, row in enumerate(measured[own])
    )


def unequal(entries: Sequence[Entry], measured: Measured, images: int) -> list[str]:
    """Methods that drew another number of images. A closed form sees a small split once, so it may draw fewer."""
    told = []
    for entry in entries:
        free = entry.needs is Need.NOTHING
        found = {row.images for row in measured[entry.title]}
        if any(count > (0 if free else images) for count in found) or (not free and 0 in found):
            told.append(f"{entry.title} drew {sorted(found)} images instead of {0 if free else images}.")
    return told


def plain(entries: Sequence[Entry], measured: Measured) -> dict[str, Any]:
    """Everything for JSON."""
    return {
        entry.title: {
            "block": entry.block,
            "averages": [row.average for row in measured[entry.title]],
            "accuracy": [dict(row.accuracy) for row in measured[entry.title]],
            "seconds": _seconds(measured[entry.title]),
            "images": [row.images for row in measured[entry.title]],
        }
        for entry in entries
    }


def _mean(rows: Sequence[Row]) -> float:
    return statistics.fmean(row.average for row in rows)


def _seconds(rows: Sequence[Row]) -> float:
    """Of processor time: other work on the machine changes it little."""
    return statistics.fmean(row.cpu_seconds for row in rows)
