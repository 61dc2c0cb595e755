"""Every method at the same number of images, several seeds each: is `best` ahead, by how much, and where is it not?

    python -m tests.bench.equal_samples [--suite demo] [--steps 20] [--batch 16] [--seeds 0,1,2,3,4] [--only best,wemoe]

Images are counted as they are drawn: `steps · batch` of each task (320), from the held-out split and without labels,
whatever a method does with them; one that is drawn again counts again, and a closed form sees each image once.
Data-free methods draw none, multi-task training draws as many labelled training images. Accuracy is that of all test
images.

The one number that a result depends on most, the learning rate or else the scale, is chosen for every row alike: by its
accuracy on held-out images with seed 0, beginning near the method's default and moving up or down while it gets better.

What was measured is kept in a file (`--results`, one JSON object per line) and not measured again, so that this can be
stopped anywhere, and shared by processes with different `--only` or `--seeds`. Exit status 1 where `best` is not ahead
of every single merged model for each seed, or a method does not draw the images it should.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core import paths
from core.problem.loading import load
from core.problem.problem import Problem
from core.suite.find import SuiteFile, find
from tests.bench import equal_table
from tests.bench.demo_gate import Row, run
from tests.bench.equal_rows import Entry, entries
from tests.bench.results import Results


def main() -> int:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--only", help="methods, separated by commas")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    suite = find(options.suite)
    problem = load(suite, precision=options.precision)
    results = Results(options.results or paths.cache() / f"equal-samples-{suite.name}.jsonl", problem)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    wanted = entries(options.steps, options.batch)
    if options.only:
        wanted = [entry for entry in wanted if entry.method in options.only.split(",")]

    measured: dict[str, list[Row]] = {}
    for seed in seeds:
        for entry in wanted:
            if seed != seeds[0] and not entry.seeded:
                continue
            values = _settings(problem, suite, entry, results) | {"seed": seed}
            row = results.row(entry, "test", values, lambda e=entry, v=values: run(problem, suite, e.method, **v))
            measured.setdefault(entry.title, []).append(row)
            print(equal_table.line(f"{entry.title}, seed {seed}", [row]), file=sys.stderr, flush=True)
    images = options.steps * options.batch * len(problem.tasks)
    if options.json:
        print(json.dumps(equal_table.plain(wanted, measured)))
    else:
        equal_table.show(wanted, measured, problem.tasks, images)
    if options.only:
        return 0
    return 0 if equal_table.ahead(wanted, measured) and not equal_table.unequal(wanted, measured, images) else 1


def _settings(problem: Problem, suite: SuiteFile, entry: Entry, results: Results) -> dict[str, object]:
    """The row's settings with its knob as chosen on held-out images."""
    knob = entry.knob
    if not knob:
        return entry.values

    def score(value: float) -> float:
        values = {**entry.values, knob: value, "seed": 0}

        def measure() -> Row:
            return run(problem, suite, entry.method, "held-out", **values)

        return results.row(entry, "held-out", values, measure).average

    return {**entry.values, knob: climb(*entry.choices, score)}


def climb(values: Sequence[float], begin: int, score: Callable[[float], float]) -> float:
    """The value with the best score, found by moving from `begin` to a better neighbour while there is one."""
    at = begin
    while True:
        near = [place for place in (at - 1, at, at + 1) if 0 <= place < len(values)]
        found = max(near, key=lambda place: (score(values[place]), place == at))
        if found == at:
            return values[at]
        at = found


if __name__ == "__main__":
    sys.exit(main())
