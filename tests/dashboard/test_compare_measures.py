"""The table of runs by another measure than accuracy: its values, what is best, its texts and figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import pytest

from core.export.report import averages
from core.export.results import Results
from core.export.seen import seen_by
from core.export.tables import text
from core.store import RunRecord
from dashboard.charts import palette
from dashboard.pages.compare import figures
from dashboard.pages.compare.time import time
from tests.dashboard.compared import record, table
from tests.dashboard.drawn import complete


def scored(run: str, accuracies: Sequence[float], **measures: Sequence[float | None]) -> RunRecord:
    """A run with measures of its three tasks; `mine` is a person's own."""
    found = record(run, accuracies)
    assert found.report is not None
    tasks = found.report["tasks"]
    for name, values in measures.items():
        for task, value in zip(tasks, values, strict=True):
            task |= {"metrics": {name: value}} if name == "mine" else {} if value is None else {name: value}
    found.report.update(averages(tasks))
    return found


OLD = record("c" * 12, [0.7, 0.7, 0.7])
RUNS = (
    scored("a" * 12, [0.9, 0.5, 0.7], macro_f1=[0.8, 0.4, 0.6], ece=[0.1, 0.2, 0.3], mine=[12.5, -3.0, None]),
    scored("b" * 12, [0.8, 0.8, 0.6], macro_f1=[0.7, 0.7, 0.5], ece=[0.2, 0.1, 0.1], mine=[0.0, 7.0, 1.0]),
    OLD,
)


def by(name: str) -> Results:
    return seen_by(table(*RUNS), name)


def test_the_choice_is_of_what_runs_have() -> None:
    assert [one.name for one in table(*RUNS).measures] == ["macro_f1", "ece", "mine"]
    assert table(OLD).measures == ()


def test_its_values_take_the_place_of_accuracies_and_old_runs_have_none() -> None:
    found = by("macro_f1")
    rows = {row.id[0]: row for row in found.rows}
    assert set(rows) == {"a", "b", "c"}  # Base and experts know accuracy alone.
    assert [cell.accuracy for cell in rows["a"].cells] == [0.8, 0.4, 0.6]
    assert rows["a"].average == pytest.approx(0.6)
    assert (rows["a"].interval, rows["a"].cells[0].low) == (None, None)
    assert [cell.accuracy for cell in rows["c"].cells] == [None] * 3
    assert rows["c"].average is None


def test_the_best_is_the_highest_the_lowest_error_and_nothing_of_a_metric_of_ones_own() -> None:
    def best(name: str) -> list[list[bool]]:
        return [[cell.best for cell in row.cells] + [row.best] for row in by(name).rows[:2]]

    assert best("macro_f1") == [[True, False, True, False], [False, True, False, True]]
    assert best("ece") == [[True, False, False, False], [False, True, True, True]]
    assert not any(map(any, best("mine")))


def test_accuracy_stays_as_it_is_also_where_no_run_has_what_was_asked_for() -> None:
    for name in ("accuracy", "top5_accuracy", "no such measure"):
        found = by(name)
        assert found.measure.name == "accuracy"
        assert [row.id for row in found.rows] == [row.id for row in table(*RUNS).rows]
        assert [row.best for row in found.rows] == [row.best for row in table(*RUNS).rows]


def test_what_the_page_gets_holds_one_measure() -> None:
    for name in ("accuracy", "ece"):
        assert not any(row.others or any(cell.others for cell in row.cells) for row in by(name).rows)


def test_csv_and_json_hold_every_measure_and_pasted_tables_the_chosen_one() -> None:
    whole = table(*RUNS)
    lines = list(csv.DictReader(io.StringIO(text(whole, whole.rows, "csv"))))
    assert lines[0]["digits macro_f1"] == "0.8"
    assert float(lines[0]["average macro_f1"]) == pytest.approx(0.6)
    assert lines[1]["letters ece"] == "0.1"
    assert (lines[0]["letters metric mine"], lines[0]["flags metric mine"]) == ("-3.0", "")
    assert (lines[2]["digits macro_f1"], lines[2]["average ece"]) == ("", "")
    assert next(csv.reader(io.StringIO(text(table(OLD), table(OLD).rows, "csv"))))[-1] == "verdict"
    told = json.loads(text(whole, whole.rows, "json"))
    assert told["rows"][0]["cells"][1]["others"] == {"macro_f1": 0.4, "ece": 0.2, "mine": -3.0}
    assert [one["name"] for one in told["measures"]] == ["macro_f1", "ece", "mine"]
    made = text(by("macro_f1"), by("macro_f1").rows, "tex")
    assert r"\textbf{80.0} & 40.0 & \textbf{60.0}" in made
    assert text(by("mine"), by("mine").rows, "tsv").splitlines()[1].split("\t")[1:5] == ["12.5", "−3", "", "4.75"]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", ["macro_f1", "ece", "mine"])
def test_plotly_accepts_the_figures_of_every_measure(name: str, narrow: bool) -> None:
    for draw in (figures.bars, time):
        figure: Any = draw(by(name), by(name).rows, narrow=narrow)
        json.dumps(figure, allow_nan=False)
        for theme in palette.THEMES:
            assert len(go.Figure(complete(figure, theme)).data) == len(figure["data"]) > 0
        low, high = figure["layout"]["yaxis"].get("range", [None, None]) if draw is time else (None, None)
        assert draw is not time or all(low < row.average < high for row in by(name).rows if row.average is not None)


@pytest.mark.slow
def test_the_server_shows_draws_and_writes_the_chosen_measure(dashboard_site: Any, short_run: str) -> None:
    owner = dashboard_site.owner()
    report = dashboard_site.ctx.store.run(short_run).report
    answer = owner.call("compare", run=short_run, measure="macro_f1")["table"]
    assert answer["measure"]["title"] == "Macro F1"
    assert {"macro_accuracy", "macro_f1", "ece"} <= {one["name"] for one in answer["measures"]}
    row = next(row for row in answer["rows"] if row["id"] == short_run)
    assert [cell["accuracy"] for cell in row["cells"]] == [task["macro_f1"] for task in report["tasks"]]
    how = {"run": short_run, "ids": [short_run], "measure": "ece"}
    drawn = owner.call("compare_figures", **how)
    assert drawn["bars"]["wide"]["data"][0]["y"] == [task["ece"] for task in report["tasks"]]
    assert drawn["radar"] is None
    assert f"{100 * report['average_ece']:.1f}" in owner.call("compare_text", format="tsv", **how)["text"]
    assert "`measure` should be" in owner.call("compare", run=short_run, measure=["a"])["error"]
