"""What the live view costs: bytes, latency of a poll, time from poll to paint, weight of the page, and the run itself.

    python -m tests.bench.live [--json] [--seconds 30] [--no-browser]

A real server in its own process writes a made-up run of 8 × 158 coefficients at 5 steps a second (and 20 × 301 for the
paint); viewers poll it over HTTP as the page does. The slow-down is measured on a real AdaMerging run of random
weights, in turns of nobody, one and twenty viewers, so that a drifting machine favours no case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.dashboard.client import Dashboard
from tests.tiny import make_suite

VIEWERS = 20
TURNS = 5
WARM_UP = 15.0
"""Seconds until base and experts are measured, which the page asks for once."""
POLLS_PER_SECOND = 1.0
STEPS_PER_SECOND = 5
START_SECONDS = 240
TARGETS = {
    "bytes_per_step": 20_000,
    "poll_p95_ms_20_viewers": 500,
    "paint_p95_ms_8x158": 100,
    "page_megabytes_cold": 8,
    "slowdown_1_viewer": 0.05,
    "slowdown_20_viewers": 0.10,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=30, help="length of each measurement")
    parser.add_argument("--no-browser", action="store_true", help="leave out what needs Chromium")
    parser.add_argument("--no-slowdown", action="store_true", help="leave out the real run")
    options = parser.parse_args(arguments)
    report: dict[str, Any] = {"machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"}
    with tempfile.TemporaryDirectory() as folder:
        suite = make_suite(Path(folder) / "suite", tasks=8)
        with served(Path(folder) / "small", suite, 8, 13) as server:
            report |= asyncio.run(polls(server, options.seconds))
            if not options.no_browser:
                report |= painted(server, options.seconds, "8x158", weigh=True)
        if not options.no_browser:
            with served(Path(folder) / "large", suite, 20, 25) as server:
                report |= painted(server, options.seconds, "20x301")
        if not options.no_slowdown:
            report |= slowdown(Path(folder), suite, options.seconds)
    print(json.dumps(report, indent=1) if options.json else text(report))


@dataclass
class Server:
    """A running `tests.bench.live_server`."""

    url: str
    run: str
    cookies: dict[str, str]

    def owner(self) -> Dashboard:
        """The owner's app over HTTP."""
        return Dashboard(httpx.Client(base_url=self.url, cookies=self.cookies, timeout=60))


@contextmanager
def served(folder: Path, suite: Path, tasks: int, blocks: int, steps: int = 5000) -> Iterator[Server]:
    """A server that makes up a run of `tasks` × (8 + 12·`blocks`) coefficients and `steps` steps; none with 0 steps."""
    numbers = [str(number) for number in (tasks, blocks, steps, STEPS_PER_SECOND)]
    command = [sys.executable, "-m", "tests.bench.live_server", str(folder), *numbers, str(suite)]
    environment = os.environ | {"MERGESCOPE_HOME": str(folder.parent / "home"), "OMP_NUM_THREADS": "2"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = re.search(r"(http://\S+)/open/(\S+)", process.stdout.readline())
        assert address, "the server printed no address"
        url = address[1]
        run = next((found[1] for line in process.stdout if (found := re.match(r"run (\w+)", line))), "")
        with httpx.Client(base_url=url, timeout=START_SECONDS) as http:
            http.get(f"/open/{address[2]}").raise_for_status()
            cookies = dict(http.cookies)
        yield Server(url, run, cookies)
    finally:
        process.terminate()
        process.wait(30)


async def polls(server: Server, seconds: float) -> dict[str, Any]:
    """Bytes of a step on the wire, and latency of a poll with one and with twenty viewers."""
    component = server.owner().functions["history"]
    report: dict[str, Any] = {}
    for viewers in (1, VIEWERS):
        results = await asyncio.gather(*(viewer(server, component, seconds, at / viewers) for at in range(viewers)))
        waits = sorted(wait for waits, _ in results for wait in waits)
        name = f"{viewers}_viewer{'s' if viewers > 1 else ''}"
        report[f"poll_p50_ms_{name}"] = round(1000 * statistics.median(waits), 1)
        report[f"poll_p95_ms_{name}"] = round(1000 * waits[int(0.95 * (len(waits) - 1))], 1)
        report[f"polls_{name}"] = len(waits)
        sizes = [size for _, sizes in results for size in sizes]
        report["bytes_per_step"] = round(statistics.mean(sizes))
    return report


async def viewer(server: Server, component: int, seconds: float, delay: float) -> tuple[list[float], list[float]]:
    """Poll once a second like the page: seconds per answer, and bytes per new step after the first answer."""
    waits, sizes, since = [], [], -1
    async with httpx.AsyncClient(base_url=server.url, cookies=server.cookies, timeout=60) as http:
        await asyncio.sleep(delay)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            data = {"run": server.run, "since": since, "known": since >= 0}
            body = {"data": data, "component_id": component, "fn_name": "history", "session_hash": "bench"}
            begin = time.monotonic()
            answer = await http.post("/gradio_api/component_server", json=body)
            waits.append(time.monotonic() - begin)
            told = answer.raise_for_status().json()
            if told["numbers"] and since >= 0 and not told["more"]:
                sizes.append(len(answer.content) / len(told["numbers"]))
            since = told["cursor"]
            if not told["more"]:
                await asyncio.sleep(max(0.0, 1 / POLLS_PER_SECOND - (time.monotonic() - begin)))
    return waits, sizes


def painted(server: Server, seconds: float, name: str, weigh: bool = False) -> dict[str, Any]:
    """Time from a poll's answer to the end of painting all charts of the live tab, and the weight of a cold page."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    weight = [0.0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": key, "value": one, "url": server.url} for key, one in server.cookies.items()])
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.on("Network.loadingFinished", lambda event: weight.append(event["encodedDataLength"]))
        page.goto(f"{server.url}/?run={server.run}&tab=live", timeout=120_000)
        page.wait_for_selector("#ms-live .heatmaplayer image", timeout=120_000)
        cold = sum(weight) / 1e6
        page.evaluate("mergescope.charts.timing.paints.length = 0")
        page.wait_for_timeout(1000 * seconds)
        times = sorted(page.evaluate("mergescope.charts.timing.paints.map((one) => one.end - one.answered)"))
        browser.close()
    report: dict[str, Any] = {
        f"paint_p50_ms_{name}": round(statistics.median(times), 1),
        f"paint_p95_ms_{name}": round(times[int(0.95 * (len(times) - 1))], 1),
        f"paints_{name}": len(times),
    }
    return report | ({"page_megabytes_cold": round(cold, 2)} if weigh else {})


def slowdown(folder: Path, suite: Path, seconds: float) -> dict[str, Any]:
    """By how much one and twenty viewers at 1 Hz slow a real run down."""
    with served(folder / "real", suite, 1, 0, steps=0) as server:
        owner = server.owner()
        wish = {"steps": 1_000_000, "batch": 16, "group": "tensor"}
        started = owner.call("setup_start", suite="tiny", method="adamerging", settings=wish)
        run = Server(server.url, started["run"], server.cookies)
        while done(owner, run.run) < 5:
            time.sleep(0.2)
        time.sleep(WARM_UP)
        rates: dict[int, list[float]] = {0: [], 1: [], VIEWERS: []}
        for _turn in range(TURNS):
            for viewers in rates:
                rates[viewers].append(asyncio.run(rate(run, owner, viewers, seconds / TURNS)))
        owner.call("run_action", run=run.run, action="cancel")
    alone = statistics.median(rates[0])
    return {
        "steps_per_second": round(alone, 2),
        "rates": {str(viewers): [round(one, 1) for one in found] for viewers, found in rates.items()},
        "slowdown_1_viewer": round(1 - statistics.median(rates[1]) / alone, 3),
        "slowdown_20_viewers": round(1 - statistics.median(rates[VIEWERS]) / alone, 3),
    }


async def rate(run: Server, owner: Dashboard, viewers: int, seconds: float) -> float:
    """Steps per second while so many poll."""
    component = owner.functions["history"]
    before, begin = done(owner, run.run), time.monotonic()
    if viewers:
        await asyncio.gather(*(follower(run, component, seconds, before, at / viewers) for at in range(viewers)))
    await asyncio.sleep(max(0.0, begin + seconds - time.monotonic()))
    return (done(owner, run.run) - before) / (time.monotonic() - begin)


def done(owner: Dashboard, run: str) -> int:
    """Steps made so far, asked for without any of them."""
    return int(owner.call("history", run=run, since=10_000_000)["steps_done"])


async def follower(run: Server, component: int, seconds: float, since: int, delay: float) -> None:
    """A viewer who has everything up to `since` already."""
    async with httpx.AsyncClient(base_url=run.url, cookies=run.cookies, timeout=60) as http:
        await asyncio.sleep(delay)
        end = time.monotonic() + seconds - delay
        while time.monotonic() < end:
            data = {"run": run.run, "since": since, "known": True}
            body = {"data": data, "component_id": component, "fn_name": "history", "session_hash": "bench"}
            since = (await http.post("/gradio_api/component_server", json=body)).json()["cursor"]
            await asyncio.sleep(1 / POLLS_PER_SECOND)


def text(report: dict[str, Any]) -> str:
    """One line a figure, with its target where there is one."""
    return "\n".join(
        f"{name:28} {value}" + (f"   (target ≤ {TARGETS[name]})" if name in TARGETS else "")
        for name, value in report.items()
    )


if __name__ == "__main__":
    main()
