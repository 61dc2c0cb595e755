"""Memory of one process against the number of merged experts, held in memory and mapped from a temporary file.

    python -m tests.bench.memory --experts 4,8,16
    python -m tests.bench.memory --experts 8 --memory bfloat16 --batch 16 --steps 2 --methods multi_task,adarank,wemoe

anonymous: what is the process's own and can't be dropped (RssAnon, sampled every 5 ms); peak: all that was resident at
most (VmHWM), pages of mapped files included. Both while the method ran, the loaded suite included; `loading` is the
suite being loaded. Every number of experts has a process of its own. Random weights, images and labels; Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import methods
from core.cli.loading import HELD
from core.problem import memory
from core.problem.loading import load
from core.problem.problem import Problem
from core.settings import parse
from core.suite.find import find
from tests.bench.suite import make_suite

METHODS = "task_arithmetic,ties,adamerging,fw_hard,fw_soft"
STATUS = Path("/proc/self/status")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--experts", default="4,8,16", help="numbers of experts, separated by commas")
    parser.add_argument("--memory", default="mapped,bfloat16", help=f"how they are held, of {', '.join(HELD)}")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--batch", type=int, default=5, help="images per task and step, and per choice of FW-Merging")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", nargs=3, metavar=("SUITE", "COUNT", "MEMORY"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        print(json.dumps(measure(options, Path(options.part[0]), int(options.part[1]), options.part[2])))
        return
    counts = [int(part) for part in options.experts.split(",")]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        suite = make_suite(Path(folder), options.arch, max(counts), 2 * options.batch)
        for held in options.memory.split(","):
            for count in counts:
                rows += _child(options, suite, count, held)
                print(f"{count} experts, {held}: done", file=sys.stderr)
    report = {"arch": options.arch, "batch": options.batch, "rows": rows}
    print(json.dumps(report, indent=1) if options.json else _text(rows))


def _child(options: argparse.Namespace, suite: Path, count: int, held: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.bench.memory", "--part", str(suite), str(count), held]
    for name in ("methods", "batch", "steps", "precision"):
        command += [f"--{name}", str(getattr(options, name))]
    environment = {**os.environ, "MERGESCOPE_HOME": str(suite.parent / "home")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(options: argparse.Namespace, suite: Path, count: int, held: str) -> list[dict[str, Any]]:
    """A row for loading and one for each method."""
    deltas, place = HELD[held]
    file = find(str(suite))
    where = {"experts": count, "memory": held}
    loaded: list[Problem] = []

    def loading() -> None:
        tasks = [task.name for task in file.tasks[:count]]
        loaded.append(load(file, tasks, precision=options.precision, deltas=deltas, memory=place))

    rows = [where | {"method": "loading"} | watched(loading)]
    for name in options.methods.split(","):
        rows.append(where | {"method": name} | watched(lambda name=name: take(loaded[0], name, options)))
    return rows


def take(problem: Problem, name: str, options: argparse.Namespace) -> None:
    """A few steps of a method, and the merged model."""
    method = methods.get(name)
    known = method.Settings.model_fields
    wanted = {"steps": options.steps, "batch": options.batch, "samples": options.batch, "adapt_on": "test"}
    settings = parse(method.Settings, {key: value for key, value in wanted.items() if key in known}, name)
    outcome = None
    for step in method.steps(problem, settings):
        outcome = step.outcome or outcome
    assert outcome is not None
    outcome.weights_for(problem.tasks[0])


def watched(work: Callable[[], None]) -> dict[str, float]:
    """Memory in MiB and seconds of a piece of work."""
    memory.give_back()
    memory.forget_peak()
    done, highest = threading.Event(), [0]

    def look() -> None:
        while not done.wait(0.005):
            highest[0] = max(highest[0], int(re.findall(r"RssAnon:\s+(\d+) kB", STATUS.read_text())[0]))

    watcher = threading.Thread(target=look)
    watcher.start()
    begin = time.perf_counter()
    try:
        work()
    finally:
        seconds = time.perf_counter() - begin
        done.set()
        watcher.join()
    return {
        "anonymous_mb": round(highest[0] / 1024), "peak_mb": round(memory.peak_memory_mb()),
        "seconds": round(seconds, 1),
    }  # fmt: skip


def _text(rows: list[dict[str, Any]]) -> str:
    counts = list(dict.fromkeys(row["experts"] for row in rows))
    lines = [f"{'MiB, anonymous / peak':28}" + "".join(f"{f'K = {count}':>16}" for count in counts)]
    for held, name in dict.fromkeys((row["memory"], row["method"]) for row in rows):
        own = {row["experts"]: row for row in rows if (row["memory"], row["method"]) == (held, name)}
        cells = [f"{own[count]['anonymous_mb']} / {own[count]['peak_mb']}" for count in counts]
        lines.append(f"{f'{held} {name}':28}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
