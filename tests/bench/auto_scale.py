"""By what `scale=auto` should choose: data-free merges of the stress cases' suites at every factor, in shards.

    python -m tests.bench.auto_scale --folder results --shard 3/14 [--seconds 100]
    python -m tests.bench.auto_scale --folder results --report

Each line of a shard's file is one method on an altered suite: for each factor on its merged task vector KL and
agreement on the choosing half of the watched images, and the average accuracy on the reporting half. The report says,
for the cases that choose and for those that report, how accurate the model is that either measure picks, beside the
published scale.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from core import methods
from core.learning import starts
from core.problem.loading import load
from core.problem.probe import Probe, divergence
from core.problem.problem import Problem
from core.problem.variants import variant
from core.statistics import Half, average_share
from core.step import Outcome
from core.studies.stress_cases import Case, cases
from core.suite.find import find
from core.techniques.depth import FACTORS
from tests.bench.equal_suites import Folder

METHODS = ("task_arithmetic", "tsv_m", "iso_cts", "ties", "average")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a shard, or report on all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.auto_scale", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("auto-scale"))
    parser.add_argument("--shard", default="1/1", metavar="I/N")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing more after so many")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--tasks", help="of the demo suite, separated by commas; else all")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    place, count = (int(part) for part in options.shard.split("/"))
    folder = Folder(options.folder, f"scale-{place}-{count}", options.seconds)
    if options.report:
        report(list(folder.known.values()))
        return
    demo = load(find("demo"), options.tasks.split(",") if options.tasks else None)
    for case in altered(demo.tasks)[place - 1 :: count]:
        problem = variant(demo, demo.tasks, images={"stress": list(case.alterations)}) if case.alterations else demo
        for name in options.methods.split(","):
            key = f"scale {case.name} {name}"
            if key not in folder.known:
                folder.require_time()
                begin = time.perf_counter()
                found = tried(problem, name)
                seconds = time.perf_counter() - begin
                folder.add(key, {"case": case.name, "half": case.half.value, "method": name, "found": found})
                print(f"{case.name}, {name}: {seconds:.1f} s", flush=True)


def altered(tasks: Sequence[str]) -> list[Case]:
    """One case for each different suite: the stress cases that alter experts, heads or pixels of test images."""
    found: dict[str, Case] = {}
    for case in cases(tasks):
        kinds = {one["kind"] for one in case.alterations}
        if not kinds & {"few", "one_class", "label_shift"}:
            found.setdefault(json.dumps([dict(one) for one in case.alterations], sort_keys=True), case)
    return list(found.values())


def tried(problem: Problem, name: str) -> list[dict[str, float]]:
    """For every factor what is seen without labels, and the accuracy."""
    method, vectors, probe = methods.get(name), problem.task_vectors, Probe.of(problem, "test")
    change = vectors.flat(starts.made(problem, method.name)) - vectors.origin
    found = []
    for factor in FACTORS:
        weights = vectors.named(vectors.origin + factor * change)
        seen = probe.evaluate(Outcome.of(weights), Half.CHOOSING)
        right = average_share(probe.evaluate(Outcome.of(weights), Half.REPORTING), "accuracy")
        found.append({"factor": factor, "kl": divergence(seen), "agreement": average_share(seen, "agreement"),
                      "accuracy": right})  # fmt: skip
    return found


def report(lines: Sequence[Mapping[str, Any]]) -> None:
    """Mean accuracy of what each rule picks, and how often one of the two picks better."""
    for half in Half:
        for name in (*METHODS, ""):
            own = [one for one in lines if one["half"] == half.value and name in ("", one["method"])]
            by = {rule: [picked(one["found"], rule) for one in own] for rule in ("fixed", "kl", "agreement", "best")}
            if not own:
                continue
            differences = [a - b for a, b in zip(by["agreement"], by["kl"], strict=True)]
            error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
            means = ", ".join(f"{rule} {100 * statistics.fmean(values):.2f}" for rule, values in by.items())
            print(f"{half.value}, {name or 'all'} (n={len(own)}): {means}; agreement − KL "
                  f"{100 * statistics.fmean(differences):+.2f} ± {100 * error:.2f}")  # fmt: skip


def picked(found: Sequence[Mapping[str, float]], rule: str) -> float:
    """The accuracy of the model that a rule picks; `best` looks at the labels."""
    if rule == "fixed":
        return next(one["accuracy"] for one in found if one["factor"] == 1)
    if rule == "kl":
        return min(found, key=lambda one: one["kl"])["accuracy"]
    if rule == "agreement":
        return max(found, key=lambda one: (one["agreement"], -one["kl"]))["accuracy"]
    return max(one["accuracy"] for one in found)


if __name__ == "__main__":
    main()
