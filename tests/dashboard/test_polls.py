"""What pages ask again and again: shared by those who may see the same, by nobody else, and never out of date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.problem.method import Step
from core.store import Store
from dashboard.access import Viewer
from dashboard.polls import Fresh, add_polls
from tests.dashboard import synthetic
from tests.dashboard.conftest import Site

OWNER, GUEST = Viewer(owner=True, runs=None), Viewer(runs=frozenset({"a" * 12}))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def test_an_answer_is_for_those_with_the_same_rights_and_question(store: Store) -> None:
    fresh = Fresh(store, 60)
    fresh.put((OWNER, "history", b"{}"), b"all", store.changes)
    assert fresh.get((Viewer(owner=True, runs=None), "history", b"{}")) == b"all"
    for other in ((GUEST, "history", b"{}"), (OWNER, "runs_list", b"{}"), (OWNER, "history", b"[]")):
        assert fresh.get(other) is None


def test_a_question_nested_far_too_deeply_is_one_that_asks_nothing(dashboard_site: Site) -> None:
    http = dashboard_site.viewer().http
    answer = http.post("/view/poll/runs_list", content=b"[" * 300_000, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert "runs" in answer.json()


def test_an_answer_is_kept_for_a_moment(store: Store) -> None:
    fresh, question = Fresh(store, 0), (OWNER, "history", b"{}")
    fresh.put(question, b"old", store.changes)
    assert fresh.get(question) is None


def test_whatever_is_written_but_a_step_makes_answers_stale(store: Store) -> None:
    fresh, question, run_id = Fresh(store, 60), (OWNER, "history", b"{}"), synthetic.create(store)
    fresh.put(question, b"old", store.changes)
    store.record(run_id, Step(0))
    assert fresh.get(question) == b"old"
    store.set_status(run_id, "paused")
    assert fresh.get(question) is None


def test_what_changed_while_an_answer_was_made_is_not_missed(store: Store) -> None:
    fresh, question, run_id = Fresh(store, 60), (OWNER, "history", b"{}"), synthetic.create(store)
    before = store.changes
    store.rename(run_id, "renamed meanwhile")
    fresh.put(question, b"old", before)
    assert fresh.get(question) is None


def test_few_and_short_questions_are_remembered(store: Store) -> None:
    fresh = Fresh(store, 60)
    questions = [(OWNER, "history", str(number).encode()) for number in range(1000)]
    for question in questions:
        fresh.put(question, b"x", store.changes)
    assert 0 < sum(fresh.get(question) is not None for question in questions) < 100
    long = (OWNER, "history", b"x" * 100_000)
    fresh.put(long, b"x", store.changes)
    assert fresh.get(long) is None


def test_a_polled_function_is_called_once_a_moment_and_its_errors_are_answers(dashboard_site: Site) -> None:
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    calls: list[Any] = []

    def counted(args: Any, request: Any) -> dict[str, Any]:
        calls.append(args)
        if not args:
            raise BadInput("nothing was asked")
        return {"got": args}

    app = FastAPI()
    add_polls(app, dashboard_site.ctx, "", {"counted": counted})
    http = TestClient(app)
    assert [http.post("/poll/counted", json={"a": 1}).json() for _ in range(3)] == 3 * [{"got": {"a": 1}}]
    assert calls in ([{"a": 1}], 2 * [{"a": 1}])  # a very slow machine may take longer than the moment
    assert http.post("/poll/counted", content=b"{").json() == {"error": "nothing was asked"}
    assert http.get("/poll/counted").status_code == 405


def test_a_revoked_link_gets_no_answer_that_is_still_fresh(dashboard_site: Site, short_run: str) -> None:
    viewer = dashboard_site.viewer(short_run)
    assert viewer.call("history", run=short_run)["status"] == "done"
    access = dashboard_site.ctx.access
    access.revoke(viewer.http.cookies[access.view_cookie].partition(".")[0])
    assert viewer.post("history", {"run": short_run}).status_code == 401


@pytest.mark.slow
def test_a_guest_is_not_given_what_the_owner_was_told_just_now(dashboard_site: Site, short_run: str) -> None:
    other = synthetic.create(dashboard_site.ctx.store)
    owner, viewer = dashboard_site.owner(), dashboard_site.viewer(short_run)
    for prefix in ("", "/view"):
        owner.prefix = prefix
        assert owner.call("history", run=other)["run"] == other
        assert "error" in viewer.call("history", run=other)
        assert other in [run["id"] for run in owner.call("runs_list")["runs"]]
        assert [run["id"] for run in viewer.call("runs_list")["runs"]] == [short_run]
