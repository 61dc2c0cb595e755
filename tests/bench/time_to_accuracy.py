"""Time to accuracy: what single models without labels reach, against processor time, on three suites.

    python -m tests.bench.time_to_accuracy --folder results                          # measures what is missing
    python -m tests.bench.time_to_accuracy --folder results --report [--json | --html FILE]
    python -m tests.bench.time_to_accuracy --choose                                  # the rate of `quick`

The suites are the demo suite and two made of it (`equal_made`). A curve is one run in one thread: accuracy on all test
images at steps 0, 1, 2, 5, 10, 20, … against the processor time of its steps, all preparation included and evaluation
apart. Looking at images kept apart is counted where it decides which step is kept. The mark is the last step of
AdaMerging as published; rivals have the suite's own settings, methods that need no data are points. `quick`, which
also starts at λ = 0.3, has its rate from held-out images and another seed (`--choose`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import torch

from core import methods, paths
from core.problem.loading import load
from core.problem.problem import Problem
from core.runs.spec import settings_for
from core.step import Need
from core.suite.find import SuiteFile, find
from tests.bench import time_report
from tests.bench.curves import walk
from tests.bench.equal_made import made
from tests.bench.equal_rows import SINGLE, entries
from tests.bench.equal_suites import Folder
from tests.bench.time_report import PUBLISHED

SUITES = ("demo", "weak", "uneven")
PAPER = {"lr": 1e-3, "steps": 500, "objective": "entropy", "init": 0.3}
QUICK = {"objective": "expert_kl", "lr": 0.1, "steps": 10}
RATES = (0.03, 0.1, 0.3)
"""Among which `--choose` finds the rate of `QUICK`; neighbours as in `equal_rows`."""
OWN: dict[str, tuple[str, dict[str, Any]]] = {
    PUBLISHED: ("adamerging", {**PAPER, "keep_step": "last"}),
    "AdaMerging, quick": ("adamerging", QUICK),
    "Best combination": ("best", {}),
    "AdaMerging, the suite's rate": ("adamerging", {}),
    f"{PUBLISHED}, keep_step=best": ("adamerging", {**PAPER, "keep_step": "best"}),
}
"""Title -> method, and settings that take the place of the suite's."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, choose or report."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.time_to_accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("time-to-accuracy"))
    parser.add_argument("--suites", default=",".join(SUITES))
    parser.add_argument("--only", help="titles that contain this")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--choose", action="store_true", help="the rate of `quick`, on held-out images with seed 1")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--json", action="store_true", help="with --report")
    parser.add_argument("--html", type=Path, metavar="FILE", help="with --report: the curves as a figure")
    options = parser.parse_args(arguments)
    if options.report:
        _report(list(Folder(options.folder).known.values()), options)
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MERGESCOPE_HOME"] = home  # What a run finds remembered there would cost it nothing.
        file = find("demo")
        problems = made(load(file), options.suites.split(","))
        for problem in problems.values():
            walk(problem, "adamerging", {"steps": 1})  # Reads the images.
        if options.choose:
            choose(problems)
            return
        folder = Folder(options.folder, "curves")
        for title, name, values in curves(file):  # Those to compare with come first, on every suite.
            for suite, seed in product(problems, options.seeds) if (options.only or "") in title else ():
                _measure(folder, suite, problems[suite], title, name, {**values, "seed": seed})


def curves(file: SuiteFile) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(title, method, settings) of `OWN` and of every other single model that needs no labels, with the suite's own.

    Those that need no data come first: they take no time.
    """
    single = dict.fromkeys(one.method for one in entries(1, 1) if one.block == SINGLE)
    rivals = sorted(single, key=lambda name: methods.get(name).needs is not Need.NOTHING)
    known = {name for name, _ in OWN.values()}
    ways = OWN | {methods.get(name).title: (name, {}) for name in rivals if name not in known}
    for title, (name, values) in ways.items():
        yield title, name, settings_for(methods.get(name), file, values).model_dump(mode="json")


def _measure(folder: Folder, suite: str, problem: Problem, title: str, name: str, values: Mapping[str, Any]) -> None:
    key = f"{suite} {title} {values['seed']}"
    if key in folder.known:
        return
    shutil.rmtree(paths.cache() / "evaluations", ignore_errors=True)  # The experts' answers, which watching asks for.
    points = walk(problem, name, values)
    about = {"suite": suite, "title": title, "method": name, "values": values, "precision": problem.precision}
    folder.add(key, {**about, "points": [asdict(point) for point in points]})
    print(f"{key}: {100 * points[-1].accuracy:.2f} after {points[-1].learning:.1f} s", flush=True)


def choose(problems: Mapping[str, Problem]) -> None:
    """Print what `QUICK` reaches at each rate, learning from held-out images and judged by them."""
    for rate in RATES:
        values = {**QUICK, "lr": rate, "adapt_on": "held-out", "seed": 1}
        found = {
            suite: walk(problem, "adamerging", values, "held-out", ())[-1].accuracy
            for suite, problem in problems.items()
        }
        told = ", ".join(f"{suite} {100 * share:.2f}" for suite, share in found.items())
        print(f"lr={rate:g}: {100 * statistics.fmean(found.values()):.2f} ({told})", flush=True)


def _report(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> None:
    if options.html:
        time_report.draw(rows).write_html(options.html)
    print(json.dumps(time_report.plain(rows), indent=0) if options.json else "\n".join(time_report.table(rows)))


if __name__ == "__main__":
    main()
