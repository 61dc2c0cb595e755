"""How soon Pause, Resume and Cancel take effect while a merge is learning.

    python -m tests.bench.control [--suite demo] [--arch ViT-B-32 --experts 8] [--times 10] [--json]

With --arch, a suite of random weights of that architecture. Each wish is made at another moment of a step; an effect is
what the store tells, which is what every page and command shows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from core import methods
from core.control import Control
from core.errors import Cancelled
from core.problem.loading import load
from core.runs import runner
from core.runs.spec import RunSpec
from core.store import Store
from core.suite.find import find
from tests.bench.suite import make_suite

TARGET = 1.0
LOOK = 0.005
"""Seconds between two looks into the store."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.control", description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--arch", help="measure on random weights of this architecture")
    parser.add_argument("--experts", type=int, default=8)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    report: dict[str, Any] = {"machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"}
    with tempfile.TemporaryDirectory() as folder:
        suite = options.suite
        if options.arch:
            suite = str(make_suite(Path(folder), options.arch, options.experts, 32))
        report |= measure(suite, options.precision, options.times, Path(folder) / "runs")
    print(json.dumps(report, indent=1) if options.json else "\n".join(f"{k:24} {v}" for k, v in report.items()))


def measure(suite: str, precision: str, times: int, folder: Path) -> dict[str, Any]:
    """The slowest of `times` reactions to Pause and Resume, and that to Cancel, in seconds."""
    problem, method, control = load(find(suite), precision=precision), methods.get("adamerging"), Control()
    settings, dice, slowest = method.Settings.model_validate({"steps": 1_000_000}), random.Random(0), [0.0, 0.0]
    with Store.open(folder) as store:
        run_id = RunSpec.of(problem, method, settings, origin=suite).create(store)

        def work() -> None:
            with contextlib.suppress(Cancelled):
                runner.execute(store, run_id, problem, RunSpec.of(problem, method, settings), control=control)

        thread = threading.Thread(target=work)
        thread.start()
        while (record := store.run(run_id)).steps_done < 2:
            time.sleep(LOOK)
        step = record.seconds / record.steps_done
        for _ in range(times):
            time.sleep(dice.random() * step)
            slowest[0] = max(slowest[0], _until(store, run_id, control.pause, "paused"))
            slowest[1] = max(slowest[1], _until(store, run_id, control.resume, "running"))
        time.sleep(dice.random() * step)
        cancel = _until(store, run_id, control.cancel, "cancelled")
        thread.join()
    return {
        "micro_batch": problem.micro_batch,
        "precision": problem.precision,
        "seconds_per_step": round(step, 2),
        "pause_seconds_max": round(slowest[0], 3),
        "resume_seconds_max": round(slowest[1], 3),
        "cancel_seconds": round(cancel, 3),
        "target": TARGET,
    }


def _until(store: Store, run_id: str, act: Any, status: str) -> float:
    begin = time.monotonic()
    act()
    while store.run(run_id).status != status:
        time.sleep(LOOK)
    return time.monotonic() - begin


if __name__ == "__main__":
    main()
