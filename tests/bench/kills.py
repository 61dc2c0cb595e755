"""SIGKILL, again and again: runs, the watch within them, studies, exports and downloads.

    python -m tests.bench.kills [--kills 200] [--points 100] [--json]

`kills` are spread over one long run, a study, exports and downloads; `points` are other places, each of a run of its
own that is resumed and compared, bit for bit, with one that was not killed. What each part does not hold is told.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.core import kills
from tests.core.kills import Forge, Whole
from tests.tiny import make_suite

STEPS = 6
KINDS = ("before_cursor_execute", "after_cursor_execute", "commit", "watch", "write", "evaluate", "export")


def main(arguments: list[str] | None = None) -> None:
    """Kill and print; status 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--points", type=int, default=100)
    options = parser.parse_args(arguments)
    report = killed(options.kills, options.points)
    print(json.dumps(report, indent=1) if options.json else "\n".join(f"{k:10} {v}" for k, v in report.items()))
    sys.exit(bool(report["failed"]))


def killed(count: int, points: int) -> dict[str, Any]:
    """How many kills were survived, and what was not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forge, suite = Forge(folder), make_suite(folder / "suite")
        try:
            whole = kills.never_stopped(forge, suite, folder / "whole", STEPS)
            share = max(1, count // 10)
            parts: dict[str, tuple[int, Callable[[int], None]]] = {
                "run": (count - 7 * share, lambda n: kills.again_and_again(forge, suite, folder / "run", n)),
                "study": (3 * share, lambda n: kills.study(forge, suite, folder / "study", n)),
                "exports": (2 * share, lambda n: kills.exports(forge, whole, folder / "exports", n // 2)),
                "downloads": (2 * share, lambda n: kills.downloads(forge, whole, n)),
            }
            failed = {part: said for part, (times, do) in parts.items() if (said := _failure(do, times))}
            same, differ = resumed(forge, suite, folder / "points", whole, points)
        finally:
            forge.close()
    return {"kills": count, "parts": {part: times for part, (times, _) in parts.items()}, "points": same + len(differ),
            "same": same, "failed": failed | differ}  # fmt: skip


def resumed(forge: Forge, suite: Path, folder: Path, whole: Whole, points: int) -> tuple[int, dict[str, str]]:
    """At how many points a run was killed and ended the same, and what was else."""
    same, differ, kinds = 0, dict[str, str](), list(KINDS)
    for count in itertools.count(1):
        for point in list(kinds):
            try:
                if kills.at(forge, suite, folder / f"{point}{count}", whole, STEPS, point, count):
                    same += 1
                else:
                    kinds.remove(point)  # No run comes there so often.
            except AssertionError as error:
                differ[f"{point} {count}"] = str(error)
            if same + len(differ) == points or not kinds:
                return same, differ
    raise AssertionError("without end")


def _failure(do: Callable[[int], None], times: int) -> str:
    try:
        do(times)
    except AssertionError as error:
        return str(error) or "an assertion without words"
    return ""


if __name__ == "__main__":
    main()
