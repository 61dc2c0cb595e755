"""What the live view costs: bytes, latency of a poll, time from poll to paint, weight of the page, and the run itself.

    python -m tests.bench.live [--json] [--seconds 60] [--no-browser]

A real server in its own process writes a made-up run of 8 × 158 coefficients at 5 steps a second (and 20 × 301 for the
paint); viewers poll it over HTTP as the page does: what is new of the run, and at every second poll the list of runs.
`poll_cpu_ms` is the processor's time that the server takes for one such poll beyond what it takes without viewers.

The slow-down is measured on a real AdaMerging run of random weights. Counted are its steps per second of the clock, in
short rounds of nobody, one and twenty viewers; a viewer is compared with nobody in the same round, and the median over
the rounds is told with its standard error. The order turns from round to round, so that a drifting machine favours no
case. The viewers' own work is not the server's: they write ready-made requests into open connections and read no more
of an answer than they need, since real viewers compute on machines of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from scipy.stats import bootstrap

from tests.browser.chromium import browsing
from tests.dashboard.client import Dashboard
from tests.tiny import make_suite

VIEWERS = 20
TURN_SECONDS = 5.0
"""Length of one case in a round; short, so that the cases of a round meet the same machine."""
WARM_UP = 15.0
"""Seconds until base and experts are measured, which the page asks for once."""
POLLS_PER_SECOND = 1.0
STEPS_PER_SECOND = 5
START_SECONDS = 240
CAUGHT_UP = "mergescope.charts.hub.run.cursor >= mergescope.charts.hub.run.stepsDone"
"""In a page: it has all steps so far. At its first picture it may have any part of them."""
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
    parser.add_argument("--seconds", type=float, default=60, help="length of each measurement")
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
    process: int

    def cpu(self) -> float:
        """Seconds of the processor that the server has taken so far."""
        times = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

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
        yield Server(url, run, cookies, process.pid)
    finally:
        process.terminate()
        process.wait(30)


async def polls(server: Server, seconds: float) -> dict[str, Any]:
    """Bytes of a step on the wire, latency of a poll with one and with twenty viewers, and what a poll costs."""
    report: dict[str, Any] = {}
    await asyncio.sleep(WARM_UP)
    few = min(seconds, 30.0)  # Only the twenty are what long runs of this ask for.
    before = server.cpu()
    await asyncio.sleep(few)
    alone = (server.cpu() - before) / few
    for viewers, length in ((1, few), (VIEWERS, seconds)):
        before = server.cpu()
        results = await asyncio.gather(*(viewer(server, length, at / viewers) for at in range(viewers)))
        spent = server.cpu() - before - alone * length
        waits = sorted(wait for waits, _ in results for wait in waits)
        name = f"{viewers}_viewer{'s' if viewers > 1 else ''}"
        report[f"poll_p50_ms_{name}"] = round(1000 * statistics.median(waits), 1)
        report[f"poll_p95_ms_{name}"] = round(1000 * waits[int(0.95 * (len(waits) - 1))], 1)
        report[f"polls_{name}"] = len(waits)
        if viewers == VIEWERS:  # one viewer's polls are too few to tell from what the server does anyway
            report[f"poll_cpu_ms_{name}"] = round(1000 * spent / len(waits), 2)
        sizes = [size for _, sizes in results for size in sizes]
        report["bytes_per_step"] = round(statistics.mean(sizes))
    return report


async def viewer(server: Server, seconds: float, delay: float, since: int = -1) -> tuple[list[float], list[float]]:
    """Poll once a second like the page: seconds per answer, and bytes per new step after the first answer."""
    waits, sizes = [], []
    await asyncio.sleep(delay)
    end = time.monotonic() + seconds - delay
    async with Line.open(server) as line:
        while time.monotonic() < end:
            begin = time.monotonic()
            answer = await line.ask("history", run=server.run, since=since, stride=1, seen=0, known=since >= 0)
            waits.append(time.monotonic() - begin)
            if len(waits) % 2:
                await line.ask("runs_list", limit=50, run=server.run)
            cursor, more = number(answer, b"cursor"), b'"more":true' in answer
            if cursor > since >= 0 and not more:
                sizes.append(len(answer) / (cursor - since))
            since = cursor
            if not more:
                await asyncio.sleep(max(0.0, begin + 1 / POLLS_PER_SECOND - time.monotonic()))
    return waits, sizes


def number(answer: bytes, name: bytes) -> int:
    """The whole number that a field of an answer has."""
    found = re.search(rb'"%s":(-?[0-9]+)' % name, answer)
    assert found, answer[:200]
    return int(found[1])


@dataclass
class Line:
    """One open connection of a viewer."""

    head: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    @asynccontextmanager
    async def open(cls, server: Server) -> AsyncIterator[Line]:
        """Connect, as a browser that is signed in."""
        address = urlsplit(server.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**24)
        cookies = "; ".join(f"{name}={value}" for name, value in server.cookies.items())
        yield cls(f"host: {address.netloc}\r\ncookie: {cookies}\r\ncontent-type: application/json", reader, writer)
        writer.close()
        await writer.wait_closed()

    async def ask(self, name: str, **args: Any) -> bytes:
        """The body of an answer."""
        body = json.dumps(args)
        self.writer.write(
            f"POST /ask/{name} HTTP/1.1\r\n{self.head}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"\ncontent-length: (\d+)", head)
        assert head.startswith(b"http/1.1 200 "), head
        assert length, head
        return await self.reader.readexactly(int(length[1]))


def painted(server: Server, seconds: float, name: str, weigh: bool = False) -> dict[str, Any]:
    """Time from a poll's answer to the end of painting all charts of the live tab, and the weight of a cold page."""
    weight = [0.0]
    with browsing() as browser:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": key, "value": one, "url": server.url} for key, one in server.cookies.items()])
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.on("Network.loadingFinished", lambda event: weight.append(event["encodedDataLength"]))
        page.goto(f"{server.url}/?run={server.run}&tab=live", timeout=120_000)
        page.wait_for_selector("#ms-live .heatmaplayer image", timeout=120_000)
        page.wait_for_function(CAUGHT_UP, timeout=120_000)
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
        run = replace(server, run=started["run"])
        while owner.call("history", run=run.run, since=10_000_000)["steps_done"] < 5:
            time.sleep(0.2)
        time.sleep(WARM_UP)
        rates: dict[int, list[float]] = {0: [], 1: [], VIEWERS: []}
        for at in range(max(3, round(seconds / TURN_SECONDS))):
            cases = list(rates)
            for viewers in cases[at % 3 :] + cases[: at % 3]:
                rates[viewers].append(asyncio.run(rate(run, viewers, TURN_SECONDS)))
        owner.call("run_action", run=run.run, action="cancel")
    report: dict[str, Any] = {"steps_per_second": round(statistics.median(rates[0]), 2)}
    for viewers in (1, VIEWERS):
        lost = [1 - found / alone for found, alone in zip(rates[viewers], rates[0], strict=True)]
        name = f"slowdown_{viewers}_viewer{'s' if viewers > 1 else ''}"
        report[name] = round(statistics.median(lost), 3)
        report[f"{name}_error"] = standard_error(lost)
    return report | {"rounds": len(rates[0])}


def standard_error(values: list[float]) -> float:
    """Of a median, by the bootstrap: windows in which something else happened make it no larger."""
    found = bootstrap((values,), np.median, method="percentile", rng=np.random.default_rng(0))
    return round(float(found.standard_error), 3)


async def rate(run: Server, viewers: int, seconds: float) -> float:
    """Steps per second while so many poll."""
    before, begin = await done(run), time.monotonic()
    await asyncio.gather(asyncio.sleep(seconds), *(viewer(run, seconds, at / viewers, before) for at in range(viewers)))
    return (await done(run) - before) / (time.monotonic() - begin)


async def done(run: Server) -> int:
    """Steps made so far, asked for without any of them; a new question each time, so that no answer is an old one."""
    async with Line.open(run) as line:
        return number(await line.ask("history", run=run.run, since=10_000_000, at=time.time()), b"steps_done")


def text(report: dict[str, Any]) -> str:
    """One line a figure, with its target where there is one."""
    return "\n".join(
        f"{name:28} {value}" + (f"   (target ≤ {TARGETS[name]})" if name in TARGETS else "")
        for name, value in report.items()
    )


if __name__ == "__main__":
    main()
