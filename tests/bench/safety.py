"""Every figure that safety has to reach, each with its target and whether it is met; status 1 where one is not.

    python -m tests.bench.safety [--quick] [--rows 1,2,11] [--json]

Rows are those of SAFETY's table. Some are measured by the other benches, the others by the tests of their kind, all of
which have to pass. `--quick` makes fewer kills and mutants and measures for shorter: it shows that the bench works.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.bench import kills, large_store, live, soak
from tests.tiny import make_suite

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    target: str
    measure: Callable[[bool], tuple[str, bool]]
    """Given whether it has to be quick: what was found, and whether that is enough."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.safety", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", default=",".join(map(str, ROWS)), help="numbers of rows, by commas")
    options = parser.parse_args(arguments)
    found = []
    if not options.json:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}{', quick' if options.quick else ''}\n")
        print("| # | target | measured | met | minutes |\n|---|---|---|---|---|", flush=True)
    for number in map(int, options.rows.split(",")):
        begin, row = time.monotonic(), ROWS[number]
        try:
            said, met = row.measure(options.quick)
        except (AssertionError, subprocess.SubprocessError, OSError) as error:
            said, met = f"failed: {error!r:.200}", False
        minutes = round((time.monotonic() - begin) / 60, 1)
        found.append({"row": number, "target": row.target, "measured": said, "met": met, "minutes": minutes})
        if not options.json:
            print(f"| {number} | {row.target} | {said} | {'yes' if met else '**no**'} | {minutes} |", flush=True)
    if options.json:
        print(json.dumps({"quick": options.quick, "rows": found}, indent=1))
    sys.exit(not all(one["met"] for one in found))


@cache
def _killed(quick: bool) -> dict[str, Any]:
    return kills.killed(20, 12) if quick else kills.killed(200, 100)


def _lost(quick: bool) -> tuple[str, bool]:
    report = _killed(quick)
    failed = {part: said for part, said in report["failed"].items() if part in report["parts"]}
    parts = ", ".join(f"{part} {times}" for part, times in report["parts"].items())
    return f"{report['kills']} kills ({parts}): {failed or 'nothing lost, all readable'}", not failed


def _resumed(quick: bool) -> tuple[str, bool]:
    report = _killed(quick)
    differ = {part: said for part, said in report["failed"].items() if part not in report["parts"]}
    return f"{report['same']} of {report['points']} {differ or ''}".strip(), report["same"] == report["points"] > 0


def _hostile(quick: bool) -> tuple[str, bool]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.core.hostile_child", folder]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [one for group in json.loads(answer.stdout).values() for one in group.values()]
    ran, most = sum(bool(events) for *_, events in files), max(megabytes for _, _, megabytes, _ in files)
    mutants = "2000" if quick else "100000"
    said, passed = _tests("tests/core/test_checkpoint_fuzz.py", "-k", mutants)(quick)
    growth = f"memory + {most:.0f} MB at most"
    return f"{ran} executions in {len(files)} files, {growth}; {mutants} mutants a format: {said}", (
        passed and ran == 0 and most <= 200
    )


def _viewers(quick: bool) -> tuple[str, bool]:
    length = 20 if quick else 600
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = make_suite(folder / "suite", tasks=8)
        with live.served(folder / "small", suite, 8, 13) as server:
            report = asyncio.run(live.polls(server, length))
        report |= live.slowdown(folder, suite, length / 3)  # It takes three times as long: with 0, 1 and 20 viewers.
    wait, lost = report["poll_p95_ms_20_viewers"], report["slowdown_20_viewers"]
    error = report["slowdown_20_viewers_error"]
    said = f"{report['polls_20_viewers']} polls, p95 {wait} ms; slower by {100 * lost:.1f} ± {100 * error:.1f} %"
    return said, wait <= 500 and lost <= 0.1


def _thousand(_quick: bool) -> tuple[str, bool]:
    found = large_store.thousand()
    return f"list {found['list_s']} s, open {found['open_s']} s of the processor", (
        found["list_s"] <= 1 and found["open_s"] <= 2
    )


def _guests(quick: bool) -> tuple[str, bool]:
    with tempfile.TemporaryDirectory() as folder:
        report = soak.soak(Path(folder), 60 if quick else 600)
    shares = ", ".join(
        f"{words} {100 * report[name]:+.1f} ± {100 * report[f'{name}_error']:.1f} %"
        for name, words in (("slowdown", "time a step"), ("processor_more", "processor"), ("held_more", "held"))
    )
    rest = f"owner's p95 {report['owner_p95_ms']} ms, memory {report['growth_mb']:+} MB, same λ {report['same_lambda']}"
    return f"{shares}; {rest}; {report['guests_killed']} guests killed, disk full {report['disk_full']} times", (
        soak.met(report)
    )


def _large(quick: bool) -> tuple[str, bool]:
    found = large_store.ten_thousand(20_000 if quick else 100_000)
    grown = found["export_growth_mb"]
    page = f"page {found['page_list_s']} s ({found['page_list_cpu_s']} s of the processor)"
    met = found["list_cpu_s"] <= 2 and found["page_list_cpu_s"] <= 0.5 and max(grown.values()) <= 20
    words = ", ".join(f"{kind} {value:+} MB" for kind, value in grown.items())
    return f"list {found['list_cpu_s']} s of the processor, {page}; export of ten times the steps: {words}", met


def _tests(*arguments: str) -> Callable[[bool], tuple[str, bool]]:
    def run(_quick: bool) -> tuple[str, bool]:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "nightly or not nightly", "-p", "no:cacheprovider"]
        answer = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        failed = [line for line in answer.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return "; ".join([*failed, answer.stdout.strip().rpartition("\n")[2]]), answer.returncode == 0

    return run


CORE, FAULTS = "tests/core/", "tests/core/test_store_faults.py"
ROWS = {
    1: Row("200 SIGKILLs: no acknowledged step lost, no run unreadable", _lost),
    2: Row("resumed bit for bit at all of 100 kill points", _resumed),
    3: Row("nothing executed, memory grows by ≤ 200 MB; 100,000 mutants per format refused by name in ≤ 1 s", _hostile),
    4: Row(
        "every state-changing handler refuses a caller without a token",
        _tests("tests/dashboard/test_security.py", "-k", "reaches or every_server_function or calling"),
    ),
    5: Row("20 viewers at 1 Hz for 10 min: p95 ≤ 500 ms, no error, run slowed ≤ 10 %", _viewers),
    6: Row("1,000 runs × 10,000 steps: list ≤ 1 s, open ≤ 2 s", _thousand),
    7: Row(
        "a write that fails at any point leaves an expected state",
        _tests(f"{CORE}test_files.py", FAULTS, "-k", "test_files or disk or refusal or made or swept or refuses"),
    ),
    8: Row("60 guests: run slowed ≤ 10 %, owner's p95 ≤ 250 ms, memory grows by ≤ 200 MB", _guests),
    9: Row("200 flipped or truncated files are refused or made again", _tests(f"{CORE}test_kept.py")),
    10: Row(
        "everything readable in a damaged store is kept; what is lost is reported",
        _tests(f"{CORE}test_store_repair.py", FAULTS, "-k", "test_store_repair or damage or changed or database"),
    ),
    11: Row("10,000 runs: list ≤ 2 s of processor time, page ≤ 0.5 s, exports in constant memory", _large),
}

if __name__ == "__main__":
    main()
