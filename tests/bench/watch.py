"""What it costs to watch a default run of AdaMerging: the looks at images kept apart, beside the steps.

    python -m tests.bench.watch            # the demo suite
    python -m tests.bench.watch --arch ViT-B-32

Processor time of this process, so that other work on the machine counts little. A few steps and looks are measured; the
whole run is their sum: its steps, its looks (`core.learning.watch.due`), both halves at the start, the reporting half
at the end, and the experts' answers, which are computed once for all runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core import methods
from core.learning.watch import due
from core.problem.loading import load
from core.problem.probe import Probe
from core.statistics import Half
from core.step import Outcome
from core.suite.find import find
from tests.bench import suite

STEPS = 500


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.watch", description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="", help="random weights of this architecture; else the demo suite")
    parser.add_argument("--images", type=int, default=640, help="with --arch: test images a task")
    parser.add_argument("--steps", type=int, default=10, help="steps measured, after two to warm up; the median counts")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MERGESCOPE_HOME"] = str(Path(folder) / "home")  # Nothing is remembered there yet.
        named = "demo"
        if options.arch:
            suite.make_suite(Path(folder), options.arch, 8, options.images)
            named = str(Path(folder) / "bench.yaml")
        print(json.dumps(measure(named, options.steps), indent=1))


def measure(named: str, count: int) -> dict[str, object]:
    """Seconds of processor time, and the share that watching adds."""
    problem, method = load(find(named)), methods.get("adamerging")
    settings = method.Settings(steps=STEPS)
    watched = Probe.of(problem, "test")
    answers = clock(lambda: watched.answers)
    seconds: list[float] = []
    learner = method._learner(problem, settings)  # type: ignore[attr-defined]
    for _ in range(count + 2):
        seconds.append(clock(learner.step))
    step = statistics.median(seconds[2:])
    weights = learner.weights()
    looks = [clock(lambda: watched.evaluate(Outcome.of(weights()), Half.CHOOSING)) for _ in range(3)]
    look = statistics.median(looks)
    whole = (len(due(STEPS)) + 2) * look
    return {
        "suite": named, "watched images a task": {task: len(found) for task, found in watched.images.items()},
        "step": step, "look": look, "looks": len(due(STEPS)) + 2, "experts": answers,
        "added by looks": whole / (STEPS * step), "added in the first run": (whole + answers) / (STEPS * step),
    }  # fmt: skip


def clock(work: Callable[[], object]) -> float:
    """Processor seconds that it takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
