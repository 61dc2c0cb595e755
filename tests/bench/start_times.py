"""How long commands and the page take to start, beside `import torch, gradio` on the same machine.

    python -m tests.bench.start_times [--json] [--rounds 5] [--home FOLDER]

The home folder begins with what a merge of the demo suite leaves there. All take turns, so that a drifting machine
favours none; told are medians of seconds by the clock, of the processor's, and by the clock as a share of the import. A
first round, in which a command may have to remember something, is told apart. The page stands once its address answers
with it instead of the waiting page.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

IMPORT = "import torch, gradio"
PAGE = "the page"
COMMANDS = {
    "suites": 1.2,
    "methods": 1.2,
    "tasks demo": 1.2,
    "runs list": 1.2,
    "inspect assets/demo/digits.safetensors": 1.2,
    "similarity demo": 4.0,
}
"""Command -> seconds that it may take."""
PAGE_TARGET = 1.25
"""Of the time of the import."""
PAUSE = 0.05
"""Seconds between two looks at the page; each takes the server a millisecond or two."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start_times", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--home", type=Path, help="a MERGESCOPE_HOME that is kept")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MERGESCOPE_HOME": str(options.home or folder), "PYTHONUNBUFFERED": "1"}
        command(["launch.py", "merge", "demo", "--method", "average"], environment)
        first, *rounds = (measured(environment) for _ in range(1 + options.rounds))
    middle = {name: [statistics.median(one[name][at] for one in rounds) for at in (0, 1)] for name in rounds[0]}
    rows = {
        name: {"first": first[name][0], "seconds": wall, "cpu": cpu, "of_import": wall / middle[IMPORT][0]}
        for name, (wall, cpu) in middle.items()
    }
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for name, row in rows.items():
        target = f"   (target ≤ {COMMANDS[name]} s)" if name in COMMANDS else ""
        target = f"   (target ≤ {PAGE_TARGET})" if name == PAGE else target
        seconds = f"{row['seconds']:6.2f} s, processor {row['cpu']:.2f} s, first time {row['first']:.2f} s"
        print(f"{name:40} {seconds}, {row['of_import']:.2f} of the import{target}")


def measured(environment: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """One round: name -> seconds by the clock and of the processor."""
    found = {IMPORT: command(["-c", IMPORT], environment)}
    found |= {words: command(["launch.py", *words.split()], environment) for words in COMMANDS}
    return found | {PAGE: page(environment)}


def command(words: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """A process from its beginning to its end."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    assert status == 0, f"{words} failed"
    process.returncode = 0
    return wall, used.ru_utime + used.ru_stime


def page(environment: Mapping[str, str]) -> tuple[float, float]:
    """A server from its beginning until the owner is given the page."""
    begin = time.perf_counter()
    words = ["launch.py", "ui", "--port", "0", "--no-browser"]
    process = subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = re.search(r"(http://\S+)(/open/\S+)", process.stdout.readline())
        assert address, "the server printed no address"
        with httpx.Client(base_url=address[1], timeout=60) as http:
            while http.get("/health").status_code != 200:
                time.sleep(PAUSE)
            http.get(address[2]).raise_for_status()
            assert "ms-settings" in http.get("/").text
        return time.perf_counter() - begin, taken(process.pid)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def taken(process: int) -> float:
    """Seconds of the processor that a process has taken so far."""
    times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
