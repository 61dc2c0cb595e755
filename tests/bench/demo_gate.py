"""What the bundled demo suite promises, measured on its test images with the suite's own settings.

    python -m tests.bench.demo_gate

Every expert reads at least 90 % of its own task, and on the average of the tasks pre-trained < weight averaging < Task
Arithmetic (0.3) < AdaMerging task-wise < layer-wise < individual, layer-wise at least six points above Task Arithmetic
for every seed, TIES-Merging between pre-trained and AdaMerging. The exit status is 1 where one of these does not hold.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import methods
from core.problem.evaluate import evaluate
from core.problem.loading import load
from core.problem.problem import Problem
from core.settings import parse
from core.suite.find import SuiteFile, find

EXPERT, MARGIN = 0.90, 0.06
DATA_FREE = ("pretrained", "average", "task_arithmetic", "ties", "individual")
GROUPS = {"task-wise": "task", "layer-wise": "tensor"}


@dataclass(frozen=True)
class Row:
    """Accuracy of one run, 0…1 per task, and what it took."""

    accuracy: Mapping[str, float]
    seconds: float
    cpu_seconds: float = 0.0
    """Of all threads."""
    images: int = 0
    """Drawn while it learned, over all tasks; one that is drawn again counts again."""

    @property
    def average(self) -> float:
        """Mean over the tasks."""
        return sum(self.accuracy.values()) / len(self.accuracy)


def run(problem: Problem, suite: SuiteFile, method: str, split: str = "test", **values: Any) -> Row:
    """One method with the suite's settings for it, `values` on top, scored on a split; modules are part of it."""
    chosen = methods.get(method)
    settings = parse(chosen.Settings, {**suite.entry.defaults.get(method, {}), **values}, method)
    began, worked = time.perf_counter(), time.process_time()
    images, outcome = 0, None
    for step in chosen.steps(problem, settings):
        images, outcome = images + step.samples, step.outcome or outcome
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    assert outcome is not None
    found = {
        task: evaluate(problem, outcome.weights_for(task), task, split, features=outcome.features(task)).accuracy
        for task in problem.tasks
    }
    return Row({task: accuracy for task, accuracy in found.items() if accuracy is not None}, seconds, cpu, images)


def data_free_checks(rows: Mapping[str, Row]) -> dict[str, bool]:
    """What the methods that need no images have to show."""
    average = {name: rows[name].average for name in DATA_FREE}
    return {
        "every expert at least 90 %": min(rows["individual"].accuracy.values()) >= EXPERT,
        "pre-trained < averaging": average["pretrained"] < average["average"],
        "averaging < Task Arithmetic": average["average"] < average["task_arithmetic"],
        "pre-trained < TIES < individual": average["pretrained"] < average["ties"] < average["individual"],
        "Task Arithmetic < individual": average["task_arithmetic"] < average["individual"],
    }


def learned_checks(rows: Mapping[str, Row], seed: int) -> dict[str, bool]:
    """What the two variants of AdaMerging have to show for one seed."""
    task_wise, layer_wise = (rows[f"{name}, seed {seed}"].average for name in GROUPS)
    arithmetic = rows["task_arithmetic"].average
    return {
        f"seed {seed}: Task Arithmetic < task-wise": arithmetic < task_wise,
        f"seed {seed}: task-wise < layer-wise": task_wise < layer_wise,
        f"seed {seed}: layer-wise < individual": layer_wise < rows["individual"].average,
        f"seed {seed}: layer-wise at least 6 points above Task Arithmetic": layer_wise >= arithmetic + MARGIN,
        f"seed {seed}: TIES < both": rows["ties"].average < min(task_wise, layer_wise),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and what holds of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.demo_gate", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    suite = find("demo")
    problem = load(suite, precision=options.precision)
    rows, checks = {}, {}

    def add(name: str, row: Row) -> None:
        rows[name] = row
        if not options.json:
            cells = "".join(f"{accuracy * 100:10.1f}" for accuracy in (*row.accuracy.values(), row.average))
            print(f"{name:20}{cells}{row.seconds:8.0f} s", flush=True)

    if not options.json:
        print(" " * 20 + "".join(f"{name:>10}" for name in (*problem.tasks, "average")))
    for method in DATA_FREE:
        add(method, run(problem, suite, method))
    checks |= data_free_checks(rows)
    for seed in options.seeds:
        for name, group in GROUPS.items():
            add(f"{name}, seed {seed}", run(problem, suite, "adamerging", group=group, seed=seed))
        checks |= learned_checks(rows, seed)
    if options.json:
        averages = {name: round(row.average, 4) for name, row in rows.items()}
        print(json.dumps({"average_accuracy": averages, "checks": checks}, indent=1))
    else:
        print(*(f"{'holds' if holds else 'FAILS'}  {name}" for name, holds in checks.items()), sep="\n")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
