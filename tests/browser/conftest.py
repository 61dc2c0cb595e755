"""A real server in its own process and a real Chromium; every journey ends by asserting that nothing went wrong.

These tests come first in a process, and what they share ends with them: Playwright leaves an event loop running.
`server` runs `python launch.py` on a free port over a temporary folder with the tiny suite; `page` is a tab of a
signed-in owner, `guest` a browser without any cookie.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.charts import bundle
from tests.browser.chromium import MISSING, browsing, installed
from tests.dashboard.client import Dashboard
from tests.forks import launched
from tests.lacking import lacking

START_SECONDS = 180
"""How long a server may take on a busy machine; the figure to reach has its own test."""
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
TITLES = dict(
    re.findall(r'(\w+)(?:: | = )\{\s*title: "([^"]+)"', (bundle.HERE / "js" / "catalogue.js").read_text("utf-8"))
)
"""Chart -> its title, as the catalogue has it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Server:
    """A running dashboard."""

    process: BaseProcess
    printed: TextIOWrapper
    url: str
    folder: Path
    suite: Path
    token: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def owner(self) -> Dashboard:
        """The owner's app, called without a browser; use it in a `with`, which closes its connections."""
        return Dashboard(httpx.Client(base_url=self.url, cookies=self.cookies, timeout=120))

    def stop(self) -> None:
        """End it by Ctrl-C, unless a test has killed it."""
        if self.process.is_alive():
            os.kill(self.process.pid or 0, signal.SIGINT)
        self.process.join(120)
        assert self.process.exitcode in (0, -signal.SIGKILL)
        self.printed.close()


def start_server(folder: Path, suite: Path, *arguments: str) -> Server:
    """Start a dashboard over the runs in `folder` and wait until it answers."""
    options = ["ui", "--suite", suite, "--port", 0, "--no-browser", "--runs", folder, *arguments]
    process, printed = launched(*options, MERGESCOPE_HOME=str(folder.parent / "home"))
    line = printed.readline()
    found = re.search(r"(http://127\.0\.0\.1:\d+)(?:/open/([\w-]+))?", line)
    assert found, f"the server printed no address: {line!r}, exit status {process.exitcode}"
    server = Server(process, printed, found[1], folder, suite, found[2] or "")
    wait_for(lambda: _ready(server), START_SECONDS, "the server to answer")
    if server.token:
        with httpx.Client(base_url=server.url) as http:
            assert http.get(f"/open/{server.token}").status_code == 200
            server.cookies = dict(http.cookies)
    return server


def _ready(server: Server) -> bool:
    assert server.process.is_alive(), f"the server ended with status {server.process.exitcode}"
    try:
        return bool(httpx.get(f"{server.url}/health", timeout=5).json().get("ready"))
    except (httpx.HTTPError, ValueError):
        return False


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait until `condition()` is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_suite: Path) -> Iterator[Server]:
    """One server for all journeys that leave it as they found it, apart from new runs."""
    running = start_server(tmp_path_factory.mktemp("browser") / "runs", tiny_suite)
    yield running
    running.stop()


@pytest.fixture(scope="package")
def finished_run(server: Server) -> str:
    """Id of a short AdaMerging run that is done."""
    settings = {"steps": 12, "batch": 4, "keep_step": "last"}
    return finish(server, method="adamerging", settings=settings, evaluate_every=4, name="short run")


def finish(server: Server, **wish: Any) -> str:
    """Start a run as the page does and wait until it is done."""
    with server.owner() as dashboard:
        started = dashboard.call("setup_start", suite="tiny", **wish)
        assert "run" in started, started

        def status() -> str:
            listed = dashboard.call("runs_list", run=started["run"])
            return next(run["status"] for run in listed["runs"] if run["id"] == started["run"])

        wait_for(lambda: status() in ("done", "failed"), 180, "a short run to end")
        assert status() == "done"
    return str(started["run"])


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Headless Chromium; without one the journeys fail in CI and are skipped elsewhere."""
    if installed() is None:
        lacking(MISSING)
    with browsing() as browser:
        yield browser


class Watch:
    """Collects what must not happen in a browser context."""

    def __init__(self, context: Any, url: str) -> None:
        self.found: list[str] = []
        self.allowed: list[str] = []
        """Patterns of console errors that a journey provokes on purpose."""
        context.on("request", lambda request: self._request(request.url, url))
        context.on("weberror", lambda error: self.found.append(f"page error: {error.error}"))
        context.on("console", self._console)

    def _request(self, target: str, url: str) -> None:
        if not target.startswith((url, "data:", "blob:")):
            self.found.append(f"outside request: {target}")

    def _console(self, message: Any) -> None:
        if message.type == "error" and not any(re.search(pattern, message.text) for pattern in self.allowed):
            self.found.append(f"console error: {message.text}")


def _context(chromium: Any, server: Server, **options: Any) -> tuple[Any, Watch]:
    context = chromium.new_context(**({"viewport": DESKTOP, "base_url": server.url} | options))
    context.set_default_timeout(90_000)
    return context, Watch(context, server.url)


@pytest.fixture
def owner_context(chromium: Any, server: Server) -> Iterator[Any]:
    """A signed-in browser; `context.watch.allowed` takes patterns of expected console errors."""
    context, watch = _context(chromium, server)
    context.add_cookies([{"name": name, "value": value, "url": server.url} for name, value in server.cookies.items()])
    context.watch = watch
    yield context
    context.close()
    assert not watch.found


@pytest.fixture
def page(owner_context: Any) -> Any:
    """A tab of the owner's browser, with nothing in it yet."""
    return owner_context.new_page()


def at_home(page: Any) -> Any:
    """The page without a run in its address, loaded."""
    page.goto("/")
    page.wait_for_selector("#ms-tabs")
    return page


@pytest.fixture
def guest(chromium: Any, server: Server) -> Iterator[Any]:
    """A browser context without cookies; open pages with `guest.new_page()`."""
    context, watch = _context(chromium, server)
    context.watch = watch
    yield context
    context.close()
    assert not watch.found


@pytest.fixture
def phone(chromium: Any, server: Server) -> Iterator[Any]:
    """A tab of a signed-in phone, with nothing in it yet."""
    context, watch = _context(chromium, server, viewport=PHONE, has_touch=True, is_mobile=True)
    context.add_cookies([{"name": name, "value": value, "url": server.url} for name, value in server.cookies.items()])
    yield context.new_page()
    context.close()
    assert not watch.found


@pytest.fixture
def blank(chromium: Any) -> Iterator[Any]:
    """A page with nothing but the program."""
    page = chromium.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content("<body><div id='live'></div><div id='layers'></div></body>")
    page.add_script_tag(content=bundle.PLOTLY.read_text("utf-8"))
    page.add_script_tag(content=bundle.program(Path(__file__).with_name("probe.js")))
    page.add_style_tag(content=bundle.style())
    yield page
    page.close()
    assert errors == []
