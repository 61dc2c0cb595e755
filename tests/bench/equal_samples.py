"""Methods that learn from images, at the same number of them: several seeds each, and those that need no data.

    python -m tests.bench.equal_samples [--suite demo] [--steps 20] [--lr 0.02] [--seeds 0,1,2,3,4] [--json]

Everything learned adapts on held-out images, without their labels, and is scored on test images. SAMerging sees the
same images and passes each twice. Exit status 1 where `best` is not ahead of every other row for each seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import Any

from core import methods
from core.loading import load
from core.methods.base import Form, Need
from core.suites import find
from tests.bench.demo_gate import Row, run

LEARNED: dict[str, tuple[str, dict[str, Any]]] = {
    "AdaMerging, layer-wise": ("adamerging", {"group": "tensor"}),
    "AdaMerging, task-wise": ("adamerging", {"group": "task"}),
    "AdaMerging, layer-wise, expert-KL": ("adamerging", {"objective": "expert_kl"}),
    "AdaMerging++": ("adamerging_pp", {}),
    "SAMerging": ("samerging", {}),
    "AdaRank": ("adarank", {}),
    "best": ("best", {}),
}


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    suite = find(options.suite)
    problem = load(suite, precision="float32")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    shared = {"steps": options.steps, "lr": options.lr, "adapt_on": "held-out"}

    rows: dict[str, list[Row]] = {}
    for name in methods.names():
        method = methods.get(name)
        if method.needs is Need.NOTHING and method.form is Form.ONE:
            rows[method.title] = [run(problem, suite, name)]
            _say(method.title, rows[method.title], options.json)
    for seed in seeds:
        for title, (name, values) in LEARNED.items():
            rows.setdefault(title, []).append(run(problem, suite, name, **shared, **values, seed=seed))
            _say(f"{title}, seed {seed}", rows[title][-1:], options.json)
    if not options.json:
        print()
    for title, found in sorted(rows.items(), key=lambda item: _mean(item[1])):
        _say(title, found, options.json)
    if options.json:
        print(json.dumps({title: [row.average for row in found] for title, found in rows.items()}))
    return 0 if _ahead(rows) else 1


def _ahead(rows: dict[str, list[Row]]) -> bool:
    """Whether `best` is above every other row, seed by seed (methods without seeds have one row for all)."""
    best = rows["best"]
    return all(
        row.average > found[at if len(found) > 1 else 0].average
        for title, found in rows.items()
        if title != "best"
        for at, row in enumerate(best)
    )


def _mean(found: list[Row]) -> float:
    return statistics.fmean(row.average for row in found)


def _say(title: str, found: list[Row], quiet: bool) -> None:
    averages = [100 * row.average for row in found]
    spread = f" ± {statistics.stdev(averages):.1f}" if len(averages) > 1 else ""
    each = " ".join(f"{100 * statistics.fmean(row.accuracy[t] for row in found):5.1f}" for t in found[0].accuracy)
    seconds = statistics.fmean(row.seconds for row in found)
    line = f"{title:40} {statistics.fmean(averages):5.1f}{spread:7}  {each}  {seconds:6.1f} s"
    print(line, file=sys.stderr if quiet else sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())
