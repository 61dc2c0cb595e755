"""Every single model at equal numbers of images on several suites, in shards for many processes; then the tables.

    python -m tests.bench.equal_suites --make many.safetensors            # the experts of the suite `many`, once
    python -m tests.bench.equal_suites --many many.safetensors --folder results --shard 3/14 [--seconds 300]
    python -m tests.bench.equal_suites --folder results --report

The suites are the demo suite, and three that are made of it: `weak` has experts that went a third of their way,
`uneven` has some that went a quarter or half of it and some that went twice as far, `many` has sixteen tasks, each half
the classes of one of the demo suite's, with experts trained on the images of that half alone.

A unit of work is a row (`equal_rows`) on a suite at a number of images: the rate or scale is chosen by accuracy on
held-out images with seed 0, as in `equal_samples`. A shard does the units at places I, I + N, …, the most telling
first, and appends what it measures to its own file; what any file of the folder has is not measured again. With
`--seeds` it measures those rows again that came within five points of the best, at the rate that was chosen.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from core.errors import MergescopeError
from core.problem.loading import load
from core.problem.problem import Problem
from core.studies import everywhere
from core.suite.find import find
from tests.bench import equal_report
from tests.bench.equal_made import BUDGETS, SUITES, made, train_halves
from tests.bench.equal_rows import APART, Entry, entries
from tests.bench.equal_samples import climb
from tests.bench.measured import Measured, measure

BATCH = 16
NEAR = 0.05
"""How far behind the best a row may be to be measured with more seeds."""
TASK_WISE = ("entropy", "expert_kl")
"""Objectives of task-wise AdaMerging that are measured; it comes far behind the layer-wise ones."""
FIRST = ("best", "adamerging", "samerging", "featcal", "tsv_m", "adarank", "adamerging_pp", "fw_soft")
"""Methods whose rows are measured first."""


class Folder:
    """What shards have measured: one file each, one JSON object per line."""

    def __init__(self, folder: Path, own: str = "", seconds: float = float("inf")) -> None:
        self._end = time.monotonic() + seconds
        folder.mkdir(parents=True, exist_ok=True)
        self._own, self.known = folder / f"{own}.jsonl", dict[str, dict[str, Any]]()
        for file in sorted(folder.glob("*.jsonl")):
            for line in file.read_text("utf-8").splitlines():
                try:
                    found = json.loads(line)
                except ValueError:  # The last line of a process that was killed while it wrote.
                    continue
                self.known[found["key"]] = found

    def require_time(self) -> None:
        """Raise `SystemExit` where nothing more may begin."""
        if time.monotonic() > self._end:
            raise SystemExit("Time is up; the same command continues.")

    def add(self, key: str, found: dict[str, Any]) -> None:
        """Keep what was measured."""
        self.known[key] = {"key": key, **found}
        with self._own.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(self.known[key]) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a shard, or tell what all have measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.equal_suites", description=__doc__.splitlines()[0])
    parser.add_argument("--make", type=Path, metavar="FILE")
    parser.add_argument("--many", type=Path, metavar="FILE")
    parser.add_argument("--folder", type=Path, default=Path("equal-suites"))
    parser.add_argument("--shard", default="1/1", metavar="I/N")
    parser.add_argument("--suites", default=",".join(SUITES))
    parser.add_argument("--images", default=",".join(map(str, BUDGETS)))
    parser.add_argument("--only", help="methods, separated by commas")
    parser.add_argument("--seeds", type=int, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing more after so many")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--json", action="store_true", help="with --report: what the guide reads")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.make:
        train_halves(load(find("demo")), options.make)
        return
    place, count = (int(part) for part in options.shard.split("/"))
    folder = Folder(options.folder, f"{place}-{count}", options.seconds)
    names, budgets = options.suites.split(","), [int(images) for images in options.images.split(",")]
    if options.report:
        rows = list(folder.known.values())
        if not options.json:
            equal_report.show(rows)
            return
        tasks = {name: 16 if name == "many" else 8 for name in names}
        planned = [
            (suite, images, entry.title) for suite, images, entry, _ in units(names, tasks, budgets, options.only)
        ]
        print(json.dumps(equal_report.plain(rows, planned, everywhere.read()), indent=0))
        return
    problems = made(load(find("demo")), names, options.many)
    found = units(names, {name: len(one.tasks) for name, one in problems.items()}, budgets, options.only)
    if options.seeds:
        found = [(*one, seed) for one in near(found, folder) for seed in options.seeds]
    for suite, images, entry, seed in found[place - 1 :: count]:
        try:
            one_unit(problems[suite], suite, images, entry, seed, folder)
        except MergescopeError as error:
            print(f"FAILED {suite} {images} {entry.title}: {error}", file=sys.stderr, flush=True)


Unit = tuple[str, int, Entry, int]


def units(suites: Sequence[str], tasks: dict[str, int], budgets: Sequence[int], only: str | None) -> list[Unit]:
    """(suite, images, row, seed 0), the most telling first; a formula draws no images, and comes once a suite."""
    found: list[tuple[int, int, Unit]] = []
    for suite in suites:
        for order, images in enumerate(budgets):
            for entry in entries(max(1, images // (BATCH * tasks[suite])), BATCH):
                values = entry.values
                if entry.block == APART and entry.method != "individual":
                    continue
                if values.get("group") == "task" and values.get("objective", "entropy") not in TASK_WISE:
                    continue
                if only and entry.method not in only.split(","):
                    continue
                free = not any(key in values for key in ("steps", "samples"))
                rank = FIRST.index(entry.method) if entry.method in FIRST else len(FIRST)
                if not free or order == 0:
                    found.append((rank, order, (suite, 0 if free else images, entry, 0)))
    return [unit for _, _, unit in sorted(found, key=lambda one: one[:2])]


def near(found: Sequence[Unit], folder: Folder) -> Iterator[tuple[str, int, Entry]]:
    """The rows that are drawn at random and came near the best of their suite and number of images, the best first."""
    best = equal_report.chosen(list(folder.known.values()))
    reached = [(best.get((suite, images, entry.title)), suite, images, entry) for suite, images, entry, _ in found]
    known = [
        (equal_report.average(row), suite, images, entry) for row, suite, images, entry in reached if row is not None
    ]
    top: dict[tuple[str, int], float] = {}
    for value, suite, images, _ in known:
        top[suite, images] = max(value, top.get((suite, images), 0.0))
    for value, suite, images, entry in sorted(known, key=lambda one: one[0] - top[one[1], one[2]], reverse=True):
        if entry.seeded and value >= top[suite, images] - NEAR:
            yield suite, images, entry


def one_unit(problem: Problem, suite: str, images: int, entry: Entry, seed: int, folder: Folder) -> None:
    """Measure a row: at every rate that the climb asks for, or with another seed at the one that it chose."""

    def row(values: dict[str, Any]) -> dict[str, Any]:
        about = {"suite": suite, "images": images, "title": entry.title, "method": entry.method, "values": values}
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
        if key not in folder.known:
            folder.require_time()
            found: Measured = measure(problem, entry.method, values)
            folder.add(key, {**about, "knob": entry.knob, "block": entry.block, **asdict(found)})
            told = statistics.fmean(found.test.values())
            print(f"{suite} {images} {entry.title} {values}: {100 * told:.2f}, {found.seconds:.1f} s", flush=True)
        return folder.known[key]

    values: dict[str, Any] = {**entry.values, "seed": seed}
    if not entry.knob:
        row(values)
    elif seed:
        best = equal_report.chosen(list(folder.known.values()))[suite, images, entry.title]
        row({**best["values"], "seed": seed})
    else:
        climb(*entry.choices, lambda value: statistics.fmean(row({**values, entry.knob: value})["held_out"].values()))


if __name__ == "__main__":
    main()
