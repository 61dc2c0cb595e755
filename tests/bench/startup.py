"""How long a person waits: for the address, for the page, and from a click on Start until something moves.

    python -m tests.bench.startup [--json] [--suite demo] [--home FOLDER]

A cold start: an empty home folder (unless one is given), so that heads and precision are not known yet. Chromium is
running already and opens the address as soon as it is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.browser.chromium import browsing

TARGETS = {"page_seconds": 10, "moved_seconds": 2}
MOVING = "mergescope.tab === 'live' && mergescope.status && mergescope.status.status !== 'queued'"
PATIENCE = 300_000
"""Milliseconds that a page may take on a busy machine before the bench gives up."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.startup", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--home", type=Path, help="a MERGESCOPE_HOME that is kept, for a warm start")
    options = parser.parse_args(arguments)
    report: dict[str, Any] = {"machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"}
    with tempfile.TemporaryDirectory() as folder:
        report |= measure(options.suite, options.home or Path(folder) / "home", Path(folder) / "runs")
    lines = (f"{k:24} {v}" + (f"   (target ≤ {TARGETS[k]})" if k in TARGETS else "") for k, v in report.items())
    print(json.dumps(report, indent=1) if options.json else "\n".join(lines))


def measure(suite: str, home: Path, runs: Path) -> dict[str, Any]:
    """Seconds of one start, one page and one click."""
    with browsing() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        command = [sys.executable, "launch.py", "ui", "--suite", suite, "--port", "0", "--no-browser"]
        begin = time.monotonic()
        process = subprocess.Popen(
            [*command, "--runs", str(runs)], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"MERGESCOPE_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        try:
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address, "the server printed no address"
            seconds = {"address_seconds": time.monotonic() - begin}
            page.goto(address[0], wait_until="commit")
            page.wait_for_selector("#ms-tabs")
            page.wait_for_load_state("load")
            seconds["page_seconds"] = time.monotonic() - begin
            page.wait_for_selector(".ms-start:enabled")
            seconds["start_enabled_seconds"] = time.monotonic() - begin
            page.locator(".ms-start").click()
            clicked = time.monotonic()
            page.wait_for_function(MOVING)
            seconds["moved_seconds"] = time.monotonic() - clicked
            page.wait_for_function("mergescope.status.steps_done > 0")
            seconds["first_step_seconds"] = time.monotonic() - clicked
        finally:
            browser.close()
            process.terminate()
            process.wait(60)
            process.stdout.close()
    return {name: round(value, 2) for name, value in seconds.items()}


if __name__ == "__main__":
    main()
