"""The one door: who may ask what, what is accepted, and which answers are shared by those who may see the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from core.errors import BadInput, CannotWrite
from core.problem.method import Step
from core.store import Store
from dashboard import door
from dashboard.access import Viewer
from dashboard.asked import Line
from dashboard.door import QUESTIONS, Answer, Fresh, Question, add_door
from dashboard.library import Library
from dashboard.pages.share.page import Sharing
from dashboard.paths import without_paths
from tests.dashboard import synthetic
from tests.dashboard.client import Dashboard
from tests.dashboard.conftest import Site
from tests.dashboard.test_security import unchanged

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
    answer = http.post("/view/ask/runs_list", content=b"[" * 300_000, headers={"content-type": "application/json"})
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


class Desk:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def counted(self, name: Line, again: bool = False) -> Answer:
        self.asked.append(name)
        if not name:
            raise BadInput("nothing was asked")
        return {"got": name}

    def unmarked(self) -> Answer:
        return {}


@pytest.fixture
def desk(dashboard_site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Desk, TestClient]]:
    """A desk behind a door of its own, without a gate."""
    monkeypatch.setitem(QUESTIONS, "counted", Question(Desk.counted, owners=False, shared=True))
    made, app = Desk(), FastAPI()
    add_door(app, dashboard_site.ctx, "", [made])
    with TestClient(app) as http:
        yield made, http


def test_a_polled_question_is_answered_once_a_moment_and_its_errors_are_answers(desk: tuple[Desk, TestClient]) -> None:
    made, http = desk
    assert [http.post("/ask/counted", json={"name": "a"}).json() for _ in range(3)] == 3 * [{"got": "a"}]
    assert made.asked in (["a"], 2 * ["a"])  # a very slow machine may take longer than the moment
    assert http.post("/ask/counted", json={"name": ""}).json() == {"error": "nothing was asked"}
    assert http.get("/ask/counted").status_code == 405


def test_what_comes_with_the_page_is_zipped_and_a_poll_is_not(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    assert owner.post("setup_catalogue", {}).headers["content-encoding"] == "gzip"
    assert owner.call("setup_catalogue")["methods"]
    assert "content-encoding" not in owner.post("runs_list", {"limit": 5}).headers


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        (b"{", "name"),
        (b"[]", "name"),
        (b"{}", "name"),
        (b'{"name": 3}', "name"),
        (b'{"name": "a", "again": 1}', "again"),
    ],
)
def test_what_was_not_sent_as_its_type_says_is_refused_by_name(
    desk: tuple[Desk, TestClient], sent: bytes, wrong: str
) -> None:
    made, http = desk
    assert f"`{wrong}` should be" in http.post("/ask/counted", content=sent).json()["error"]
    assert made.asked == []


@pytest.mark.parametrize("name", ["unmarked", "__init__", "asked", "share_links", "history", "", "counted/x"])
def test_nothing_else_of_a_desk_can_be_asked(desk: tuple[Desk, TestClient], name: str) -> None:
    assert desk[1].post(f"/ask/{name}", json={}).status_code == 404


def test_two_questions_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="two questions called share_links"):
        door.everybodys(Sharing.share_links)


@pytest.mark.parametrize("name", [name for name, one in QUESTIONS.items() if one.owners])
def test_an_owners_question_refuses_guests_by_itself(dashboard_site: Site, short_run: str, name: str) -> None:
    """Behind the gate, which asks first: neither app answers, and nothing is begun."""
    viewer, bare = dashboard_site.viewer(), TestClient(dashboard_site.app)
    with unchanged(dashboard_site):
        assert viewer.post(name, {"run": short_run}).status_code == 404
        for http in (bare, TestClient(dashboard_site.app, cookies=dict(viewer.http.cookies))):
            assert "owner's link" in http.post(f"/ask/{name}", json={"run": short_run}).json()["error"]
            assert http.post(f"/view/ask/{name}", json={"run": short_run}).status_code == 404


@pytest.mark.parametrize("name", [name for name, one in QUESTIONS.items() if not one.owners])
def test_what_guests_may_ask_is_answered_in_both_apps(dashboard_site: Site, name: str, short_run: str) -> None:
    for app in (dashboard_site.owner(), dashboard_site.viewer(short_run)):
        assert app.post(name, {"run": short_run}).status_code == 200


def test_gradio_calls_nothing_of_ours(dashboard_site: Site) -> None:
    """Neither a function of a component nor an event that its server would have to answer."""
    for app in (dashboard_site.owner(), dashboard_site.viewer()):
        config = app.config
        assert not any(component["props"].get("server_fns") for component in config["components"])
        assert not any(event["backend_fn"] for event in config["dependencies"])


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


def test_a_guest_hears_of_no_suite_but_those_of_the_link(dashboard_site: Site, short_run: str) -> None:
    viewer, gone = dashboard_site.viewer(short_run), {"error": "The suite is no longer here."}
    for other in ("nobody's", "demo"):  # One that is there looks like one that is not.
        assert viewer.call("method_guide", suite=other) == gone
    assert viewer.call("method_guide")["suite"] == "tiny"


def test_a_guest_of_a_run_that_is_gone_hears_of_no_suite(dashboard_site: Site) -> None:
    viewer = dashboard_site.viewer("0" * 12)
    assert dashboard_site.ctx.suite not in json.dumps(viewer.call("compare"))
    assert "error" in viewer.call("method_guide")


@pytest.mark.parametrize(
    ("text", "told"),
    {
        "`/srv/my files/a.pt` is missing.": "`…` is missing.",
        "Found none in /srv/me, or (/srv/you).": "Found none in …, or (…).",
        "One\n/srv/me": "One\n…",
        "/srv/me": "…",
        "/view/download/a/lambda.csv": "/view/download/a/lambda.csv",
        "step 3/4 and/or https://host/a": "step 3/4 and/or https://host/a",
        "data:image/jpeg;base64,/9j/4A": "data:image/jpeg;base64,/9j/4A",
    }.items(),
)
def test_absolute_paths_are_taken_out_of_any_text(text: str, told: str) -> None:
    answer = without_paths(orjson.dumps({"problem": text, "values": [0.5]}))
    assert orjson.loads(answer) == {"problem": told, "values": [0.5]}


def test_the_owner_is_told_why_something_failed_and_a_guest_of_no_path(
    dashboard_site: Site, short_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise CannotWrite("Reading /srv/me/base.safetensors failed.")

    ctx = dashboard_site.ctx
    failed = synthetic.create(ctx.store, name="of /srv/me/base.safetensors")
    ctx.store.set_status(failed, "failed", "Writing /srv/me/merged.safetensors failed.")
    monkeypatch.setattr(Library, "suite", lost)
    monkeypatch.setattr(Store, "kept", lost)

    def said(asker: Dashboard) -> list[str]:
        listed = json.dumps(asker.call("runs_list"))
        read = asker.call("history", run=failed)["failure"]
        answer = asker.call("similarity", run=short_run)
        file = asker.http.get(f"{asker.prefix}/download/{short_run}/model")
        described = json.dumps(asker.call("describe", run=failed))
        return [listed, read, answer["error"], file.text, described]

    try:
        assert [one for one in said(dashboard_site.owner()) if "/srv/me/" not in one] == []
        assert not any("/srv/me/" in one for one in said(dashboard_site.viewer()))
    finally:
        ctx.store.delete(failed)
