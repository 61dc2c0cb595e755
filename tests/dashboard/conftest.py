"""A dashboard in this process over the tiny suite: the real gate, site, store, jobs and engine, without a socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboard import settings

settings.prepare()

from fastapi import FastAPI  # noqa: E402  (the environment has to be set before Gradio is imported)
from starlette.testclient import TestClient  # noqa: E402

from core.runs.jobs import Jobs  # noqa: E402
from core.store import Store  # noqa: E402
from core.studies.engine.background import Background  # noqa: E402
from dashboard import site  # noqa: E402
from dashboard.access import Access  # noqa: E402
from dashboard.context import Context  # noqa: E402
from dashboard.library import Library  # noqa: E402
from dashboard.security import guard  # noqa: E402
from tests.dashboard import shapes  # noqa: E402, F401
from tests.dashboard.client import Dashboard  # noqa: E402
from tests.dashboard.loops import inside_loop  # noqa: E402

HOST = "http://127.0.0.1:7860"


@dataclass
class Site:
    """What a test asks and looks into."""

    app: FastAPI
    ctx: Context

    def stranger(self, **headers: str) -> TestClient:
        """A caller without cookies."""
        return TestClient(guard.protect(self.app, self.ctx.access, "127.0.0.1", owner_app=True), HOST, headers=headers)

    def tunnel(self) -> TestClient:
        """A caller who comes through the public tunnel."""
        return TestClient(guard.protect_for_tunnel(self.app, self.ctx.access), "https://abc.gradio.live")

    def owner(self) -> Dashboard:
        """The owner's app, signed in."""
        http = self.stranger()
        http.get(f"/open/{self.ctx.access.one_time_token()}")
        return Dashboard(http)

    def viewer(self, run: str = "") -> Dashboard:
        """The read-only view through a link to one run, or to all."""
        http = self.stranger()
        http.get(self.ctx.access.path(self.ctx.access.create_link(run)), follow_redirects=False)
        return Dashboard(http, "/view")

    def finish(self, run_id: str, seconds: float = 120) -> Any:
        """Wait until the run has ended; its record."""
        deadline = time.monotonic() + seconds
        while (record := self.ctx.store.run(run_id)).status in ("queued", "running", "paused"):
            assert time.monotonic() < deadline, f"run {run_id} is still {record.status}"
            time.sleep(0.05)
        return record


@pytest.fixture(scope="session")
def dashboard_site(tmp_path_factory: pytest.TempPathFactory, tiny_suite: Path) -> Iterator[Site]:
    """One site for all tests of this folder; tests that change runs make their own."""
    folder = tmp_path_factory.mktemp("runs")
    library = Library(device="cpu", precision="float32", extra=(str(tiny_suite),))
    store = Store.open(folder)
    jobs = Jobs(store, load=library.load)
    studies = Background(store, jobs, library.load)
    ctx = Context(store, jobs, False, Access(folder), library, suite="tiny", studies=studies)
    yield Site(inside_loop(lambda: site.build(ctx)), ctx)
    jobs.worker.close()
    library.worker.close()
    store.close()


@pytest.fixture(scope="session")
def short_run(dashboard_site: Site) -> str:
    """Id of a short AdaMerging run that is done."""
    owner = dashboard_site.owner()
    started = owner.call(
        "setup_start", suite="tiny", method="adamerging", settings={"steps": 4, "batch": 4}, name="short"
    )
    assert dashboard_site.finish(started["run"]).status == "done"
    return str(started["run"])
