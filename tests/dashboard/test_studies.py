"""The tab Studies: what the server answers, starts and refuses; figures and the file without Gradio."""

from __future__ import annotations

import json
import time
from typing import Any

import plotly.graph_objects as go
import pytest

from core import methods, studies
from core.statistics import Estimate
from core.store import RunRecord, StudyRecord
from core.studies import guide
from core.studies.engine.result import Chart, Series
from core.studies.engine.scope import StudyOptions
from core.suite.find import find
from dashboard.pages.studies import file, view
from dashboard.pages.studies.figures import draw
from tests.core.study_help import made_up
from tests.dashboard.client import Dashboard
from tests.dashboard.conftest import Site
from tests.dashboard.drawn import complete

SMALL = {"quick": True, "methods": ["task_arithmetic"]}


def settled(site: Site, name: str, seconds: float = 180) -> dict[str, Any]:
    """The card of a study once it has ended."""
    owner, deadline = site.owner(), time.monotonic() + seconds
    while True:
        card = next(one for one in owner.call("studies", suite="tiny")["studies"] if one["name"] == name)
        if card["state"] and card["state"]["status"] not in ("queued", "running"):
            return dict(card)
        assert time.monotonic() < deadline, card
        time.sleep(0.1)


@pytest.fixture(scope="module")
def scale(dashboard_site: Site) -> dict[str, Any]:
    """A small study that is done."""
    owner = dashboard_site.owner()
    started = owner.call("study_start", suite="tiny", study="scale", options=SMALL)
    assert "id" in started, started
    again = owner.call("study_start", suite="tiny", study="scale", options=SMALL)
    assert again == started
    card = settled(dashboard_site, "scale")
    assert card["state"]["status"] == "done"
    return card


def test_a_started_study_runs_to_its_end_and_tells_where_it_stands(dashboard_site: Site, scale: dict[str, Any]) -> None:
    state = scale["state"]
    assert (state["done"], state["total"], state["share"], state["quick"]) == (3, 3, 1.0, True)
    found = dashboard_site.owner().call("study_result", id=state["id"])
    [table] = found["tables"]
    assert [row["cells"][0] for row in table["rows"]] == ["0", "0.5", "1"]
    assert found["charts"][0]["wide"]["data"][0]["y"]
    assert found["published"][0]["source"]
    assert "quick" in found["said"]


def test_runs_of_a_study_do_not_crowd_the_list_of_runs(dashboard_site: Site, scale: dict[str, Any]) -> None:
    owner = dashboard_site.owner()
    assert not [run for run in owner.call("runs_list", limit=1000)["runs"] if run["title"].startswith("scale:")]
    assert len([run for run in dashboard_site.ctx.store.runs() if run.cell]) >= 3


def test_running_it_again_computes_nothing_twice(dashboard_site: Site, scale: dict[str, Any]) -> None:
    before = len(dashboard_site.ctx.store.runs())
    owner = dashboard_site.owner()
    assert owner.call("study_start", suite="tiny", study="scale", options=SMALL)["id"] == scale["state"]["id"]
    assert settled(dashboard_site, "scale")["state"]["done"] == 3
    assert len(dashboard_site.ctx.store.runs()) == before


@pytest.mark.parametrize("kind", ["csv", "latex", "json", "yaml", "html"])
def test_a_study_can_be_taken_along(dashboard_site: Site, scale: dict[str, Any], kind: str) -> None:
    answer = dashboard_site.owner().call("study_text", id=scale["state"]["id"], format=kind)
    assert answer["name"].startswith("mergescope-scale-tiny.")
    assert {"csv": "Task Arithmetic", "latex": r"\toprule", "json": '"scale"', "yaml": "cells:", "html": "<table"}[
        kind
    ] in answer["text"]


@pytest.mark.slow
def test_a_study_can_be_cancelled_and_goes_on(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    options = {"quick": True, "methods": ["adamerging"], "settings": {"batch": 2}}
    started = owner.call("study_start", suite="tiny", study="data_fraction", options=options)
    assert owner.call("study_cancel", id=started["id"]) == {"ok": True}
    assert settled(dashboard_site, "data_fraction")["state"]["status"] == "cancelled"
    assert "not running" in owner.call("study_cancel", id=started["id"])["error"]
    options["settings"]["steps"] = 2
    started = owner.call("study_start", suite="tiny", study="data_fraction", options=options)
    state = settled(dashboard_site, "data_fraction")["state"]
    assert (state["id"], state["status"], state["done"]) == (started["id"], "done", 3)


@pytest.mark.slow
def test_the_estimate_counts_runs_and_measures_once(dashboard_site: Site) -> None:
    owner, deadline = dashboard_site.owner(), time.monotonic() + 120
    while "pending" in (answer := owner.call("study_estimate", suite="tiny", options={"quick": True})):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert set(answer["costs"]) == set(studies.names())
    assert answer["costs"]["scale"]["runs"] == 6
    assert "about" in answer["costs"]["scale"]["text"]


def test_odd_requests_are_refused(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    assert "Unknown study" in owner.call("study_start", suite="tiny", study="x")["error"]
    assert "Unknown suite" in owner.call("study_start", suite="x", study="scale")["error"]
    assert "options" in owner.call("study_start", suite="tiny", study="scale", options=[1])["error"]
    elsewhere = owner.call("study_start", suite="tiny", study="scale", options=SMALL, on="http://host")
    assert "ray://HOST:PORT" in elsewhere["error"]
    assert "Unknown setting" in owner.call("study_start", suite="tiny", study="scale", options={"x": 1})["error"]
    assert (
        "Unknown method"
        in owner.call("study_start", suite="tiny", study="scale", options={"methods": ["<b>"]})["error"]
    )
    for args in ({"id": None}, {"id": "0" * 12}, {"id": ["x"]}):
        assert "Unknown study" in owner.call("study_result", **args)["error"]


@pytest.mark.slow
def test_viewers_of_everything_see_studies_and_start_none(
    dashboard_site: Site, scale: dict[str, Any], short_run: str
) -> None:
    viewer = dashboard_site.viewer()
    seen = viewer.call("studies", suite="tiny")
    assert seen["owner"] is False
    assert viewer.call("study_result", id=scale["state"]["id"])["tables"]
    for name in ("study_start", "study_cancel", "study_estimate"):
        assert viewer.post(name, {"suite": "tiny", "study": "scale"}).status_code == 404
    stranger = Dashboard(dashboard_site.stranger())
    assert stranger.post("study_start", {"suite": "tiny", "study": "scale"}).status_code in (401, 403)
    one = dashboard_site.viewer(short_run)
    for name in ("studies", "study_result", "study_text"):
        assert "not studies" in one.call(name, id=scale["state"]["id"])["error"]


def test_the_guide_has_a_card_for_every_method_and_numbers_from_the_store_only(dashboard_site: Site) -> None:
    found = dashboard_site.owner().call("method_guide", suite="tiny")
    assert {card["name"] for card in found["cards"]} == set(methods.names())
    assert all(card["accuracy"] is None for card in found["cards"])
    assert "Nothing has been measured" in found["source"]
    assert found["decisions"]


@pytest.mark.slow
def test_a_study_s_numbers_reach_the_guide() -> None:
    study, suite = studies.get("accuracy"), find("demo")
    result = study.result(study.scope(suite, StudyOptions()), made_up(study, suite))
    report = {"suite": "demo", **json.loads(json.dumps(result.plain()))}
    cards = {card.name: card for card in guide.entries(report)}
    row = next(row for row in result.tables[0].rows if row.label == methods.get("ties").title)
    assert row.values[-1] is not None
    assert cards["ties"].accuracy == row.values[-1].mean
    assert guide.entries({})[0].accuracy is None


@pytest.mark.grid
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("study", [studies.get(name) for name in studies.names()], ids=lambda study: study.name)
def test_plotly_accepts_the_figures(study: Any, narrow: bool) -> None:
    suite = find("demo")
    result = study.result(study.scope(suite, StudyOptions()), made_up(study, suite))
    for chart in result.charts:
        figure = complete(draw(chart, narrow=narrow), "dark")
        json.dumps(figure, allow_nan=False)
        assert len(go.Figure(figure).data) == len(chart.series)


def test_names_are_no_markup_in_figures_and_files() -> None:
    series = Series("<img src=x onerror=1>", (1.0, 2.0), (Estimate(0.5), None), labels=("<b>a", "b"))
    chart = Chart("t", "points", "x", "y", (series, series))
    drawn = json.dumps(draw(chart)["data"])
    assert "<img" not in drawn
    assert "<b>" not in drawn
    study = studies.get("scale")
    record = StudyRecord("0" * 12, "scale", "<script>x", "demo", "", "done")
    suite = find("demo")
    text = file.html(study, record, study.result(study.scope(suite, StudyOptions()), []))
    assert "<script>x" not in text


def test_published_series_look_different() -> None:
    values = (Estimate(0.5, 0.4, 0.6, 3), Estimate(0.6))
    chart = Chart("t", "lines", "x", "y", (Series("a", (1.0, 2.0), values), Series("b", (1.0, 2.0), values, True)))
    mine, told = draw(chart)["data"]
    assert (mine["line"]["dash"], told["line"]["dash"]) == ("solid", "dash")
    assert mine["error_y"]["array"] == pytest.approx([0.1, 0])
    assert draw(chart)["layout"]["showlegend"]


def test_cells_that_share_a_run_count_each_and_begun_ones_count_in_part() -> None:
    cells = tuple({"key": key} for key in ("a", "a", "b", "c"))
    record = StudyRecord("0" * 12, "scale", "tiny", "tiny", "", "running", cells=cells)
    runs = {"a": RunRecord("1" * 12, "done"), "b": RunRecord("2" * 12, "running", steps=10, steps_done=5)}
    state = view.state(record, runs, None)
    assert (state["done"], state["total"], state["share"]) == (2, 4, 2.5 / 4)


def test_without_ray_the_page_says_what_to_install(dashboard_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cluster.connection.find_spec", lambda _name: None)
    assert "pip install" in dashboard_site.owner().call("studies", suite="tiny")["alone"]
    monkeypatch.setattr("core.cluster.connection.find_spec", lambda _name: object())
    assert dashboard_site.owner().call("studies", suite="tiny")["alone"] == ""
