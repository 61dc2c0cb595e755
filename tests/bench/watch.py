"""What it costs to watch a default run of AdaMerging: the looks at images kept apart, beside the steps.

    python -m tests.bench.watch            # the demo suite
    python -m tests.bench.watch --arch ViT-B-32 --experts 4

Processor time of this process, so that other work on the machine counts little. A few steps and looks are measured in
turns; the whole run with the suite's own settings is their sum: its steps, its looks (`core.learning.watch.due`), both
halves at the start, the reporting half at the end, the test images at its end, and the experts' answers, which are
computed once for all runs.
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
from core.problem.evaluate import evaluate
from core.problem.loading import load
from core.problem.probe import Probe
from core.runs.spec import settings_for
from core.statistics import Half
from core.step import Outcome
from core.suite.find import find
from tests.bench import suite


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.watch", description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="", help="random weights of this architecture; else the demo suite")
    parser.add_argument("--experts", type=int, default=8, help="with --arch: how many")
    parser.add_argument("--images", type=int, default=640, help="with --arch: test images a task")
    parser.add_argument("--steps", type=int, default=10, help="steps measured, after one to warm up")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MERGESCOPE_HOME"] = str(Path(folder) / "home")  # Nothing is remembered there yet.
        named = "demo"
        if options.arch:
            suite.make_suite(Path(folder), options.arch, options.experts, options.images)
            named = str(Path(folder) / "bench.yaml")
        print(json.dumps(measure(named, options.steps), indent=1))


def measure(named: str, count: int) -> dict[str, object]:
    """Seconds of processor time, and the share that watching adds."""
    file, method = find(named), methods.get("adamerging")
    problem, settings = load(file), settings_for(method, file, {})
    steps = settings.model_dump()["steps"]
    watched = Probe.of(problem, "test")
    answers = clock(lambda: watched.answers)
    learner = method._learner(problem, settings)  # type: ignore[attr-defined]
    learner.step()
    outcome, task = Outcome.of(learner.weights()()), problem.tasks[0]
    taken, looks = list[float](), list[float]()
    for at in range(count):
        taken.append(clock(learner.step))
        if at % 4 == 0:  # Among the steps, so that both meet the machine as it is.
            looks.append(clock(lambda: watched.evaluate(outcome, Half.CHOOSING)))
    step, look = statistics.median(taken), statistics.median(looks)
    end = clock(lambda: evaluate(problem, outcome.weights_for(task), task)) * len(problem.tasks)
    times = len(due(steps)) + 2
    run = steps * step + end
    return {
        "suite": named, "precision": problem.encoder.precision, "steps": steps, "step": step, "look": look,
        "looks": times, "watched images a task": watched.counts, "end": end, "experts": answers,
        "added to the steps": times * look / (steps * step), "added to the run": times * look / run,
        "added to the first run": (times * look + answers) / run,
    }  # fmt: skip


def clock(work: Callable[[], object]) -> float:
    """Processor seconds that it takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
