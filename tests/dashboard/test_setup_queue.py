"""More starts than can be carried out."""

from __future__ import annotations

import time

import pytest

from tests.dashboard.conftest import Site


@pytest.mark.slow
@pytest.mark.parametrize("starts", [60, pytest.param(1000, marks=pytest.mark.nightly)])
def test_many_starts_leave_one_running_and_a_bounded_queue(dashboard_site: Site, starts: int) -> None:
    owner, jobs, store = dashboard_site.owner(), dashboard_site.ctx.jobs, dashboard_site.ctx.store
    assert jobs is not None
    before = len(store.runs())
    refused = 0
    for seed in range(starts):
        answer = owner.call("setup_start", suite="tiny", method="adamerging", settings={"steps": 100_000, "seed": seed})
        refused += "error" in answer
        assert "run" in answer or "can wait" in answer["error"]
    active = jobs.active()
    assert len(active) == 17
    assert refused == starts - 17
    assert len(store.runs()) == before + 17
    begin = time.monotonic()
    for run in reversed(active):
        assert owner.call("run_action", run=run, action="cancel") == {"ok": True}
    assert time.monotonic() - begin < 10
    for run in active:
        assert dashboard_site.finish(run).status == "cancelled"
