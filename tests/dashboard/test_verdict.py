"""The verdict on a run stands wherever its accuracy is told: list and header, exported files, the page Compare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request

from core.runs.verdict import Code
from core.store import Store
from dashboard import wording
from dashboard.context import Context
from dashboard.pages import sidebar
from dashboard.pages.compare.page import Comparison
from dashboard.static_export.export import export
from tests.dashboard import synthetic
from tests.dashboard.compared import TASKS, record, table

BELOW = {"code": "below base", "sentence": "Worse than <the base>: run `tsv_m`.", "remedy": {"method": "tsv_m"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as opened:
        yield opened


def entry(store: Store, run_id: str) -> dict[str, Any]:
    return sidebar.entry(store.run(run_id), cast("Context", SimpleNamespace(jobs=None)), owner=True)


def test_list_and_header_are_told_the_verdict_of_a_finished_run_and_its_remedy(store: Store) -> None:
    found = entry(store, synthetic.finished(store, tasks=2, blocks=0, steps=3, verdict=BELOW))["verdict"]
    assert (found["code"], found["kind"], found["text"]) == ("below base", "error", wording.worded(BELOW["sentence"]))
    assert found["remedy"] == {"suite": "synthetic", "tasks": ["digits", "house numbers"], "method": "tsv_m"}
    assert found["title"] == "TSV-Merge"


def test_runs_that_nobody_judged_have_no_verdict(store: Store) -> None:
    older = synthetic.finished(store, tasks=2, blocks=0, steps=3)
    assert entry(store, older)["verdict"] is None
    assert entry(store, synthetic.create(store))["verdict"] is None
    write = store.run(older).report or {}
    store.finish(older, write | {"verdict": BELOW | {"remedy": None}})
    assert entry(store, older)["verdict"]["remedy"] is None


def test_every_code_has_a_colour_and_only_a_result_that_is_not_worse_is_good() -> None:
    assert set(wording.WORRY) <= {code.value for code in Code}
    assert [code for code in Code if wording.worry({"code": code.value}) == "good"] == [Code.FINE]


@pytest.mark.parametrize(("code", "kind"), [("not worse", ""), ("below start", "warning"), ("below base", "error")])
def test_what_is_no_better_than_the_base_is_not_good(store: Store, code: str, kind: str) -> None:
    even = BELOW | {"code": code, "gain": False}
    assert entry(store, synthetic.finished(store, tasks=2, blocks=0, steps=3, verdict=even))["verdict"]["kind"] == kind


@pytest.mark.slow
def test_exported_files_tell_the_verdict_beside_the_accuracy(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.finished(store, tasks=2, blocks=1, steps=4, verdict=BELOW, name="judged")
    export("page", store, run_id, tmp_path / "run.html")
    export("figures", store, run_id, tmp_path / "figures.html")
    export("space", store, run_id, tmp_path / "space")
    for file in ("run.html", "figures.html", "space/replay.html"):
        text = (tmp_path / file).read_text("utf-8")
        assert '<p class="ms-note error">Worse than &lt;the base&gt;: run `tsv_m`.</p>' in text
    assert "Worse than" in (tmp_path / "space" / "README.md").read_text("utf-8")
    older = synthetic.finished(store, tasks=2, blocks=1, steps=4)
    export("page", store, older, tmp_path / "older.html")
    assert 'class="ms-note' not in (tmp_path / "older.html").read_text("utf-8")


class Few(Comparison):
    """Knows these runs only."""

    def __init__(self, *records: Any) -> None:
        context = SimpleNamespace(runs=lambda *_, **__: records, is_owner=lambda _: False)
        super().__init__(cast("Context", context))

    def _suite(self, wanted: Any, run: Any, request: Any) -> str:
        return "demo"

    def _choices(self, request: Any, chosen: str) -> list[tuple[str, str]]:
        return []

    def table(self, suite: str, records: Any) -> Any:
        return table(*records)


def test_compare_gives_an_interval_only_where_no_accuracy_was_measured() -> None:
    blind, seen = record("a" * 12, [None, 0.8, None]), record("b" * 12, [0.7, 0.8, 0.9])
    for one in (blind, seen):
        assert one.report is not None
        for task in one.report["tasks"]:
            task["accuracy_between"] = [0.6, 0.9] if task["name"] != TASKS[2] else None
    answer = Few(blind, seen).compare(Request({"type": "http"}))
    assert answer["between"] == {blind.id: [[0.6, 0.9], None, None]}
