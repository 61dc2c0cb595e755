"""The table of runs, its texts and its figures, from made-up reports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import plotly.graph_objects as go
import pytest

from core import methods
from core.errors import BadInput
from core.jobs import RunRequest
from core.store import RunRecord
from dashboard.charts.figure import complete
from dashboard.compare import figures, published, texts
from dashboard.compare.service import Comparison
from dashboard.compare.table import Table, build
from tests.dashboard.client import Dashboard

TASKS = ("digits", "letters", "flags")
NAMES = {"adamerging": "AdaMerging", "task_arithmetic": "Task Arithmetic"}


def record(
    run: str,
    accuracies: Sequence[float | None],
    *,
    method: str = "adamerging",
    name: str = "",
    tasks: Sequence[str] = TASKS,
    status: str = "done",
    **facts: Any,
) -> RunRecord:
    known = [value for value in accuracies if value is not None]
    told = [
        {
            "name": task,
            "accuracy": value,
            "ci95": None if value is None else [value - 0.02, value + 0.01],
            "expert_accuracy": 0.95,
            "base_accuracy": 0.4,
            "normalised": None if value is None else value / 0.95,
        }
        for task, value in zip(tasks, accuracies, strict=True)
    ]
    average = sum(known) / len(known) if known else None
    report = {"tasks": told, "average_accuracy": average, "average_normalised": None, "peak_memory_mb": 700.0}
    given = {"suite": "demo", "seconds": 12.5, "samples_seen": 640, "adapted_on": "test", "steps_done": 20}
    return RunRecord(
        run, status, method=method, name=name, tasks=tuple(tasks), report=report if status == "done" else None,
        created="2026-01-02T03:04:05", **(given | facts),
    )  # fmt: skip


def table(*records: RunRecord, rows: Sequence[Any] = ()) -> Table:
    return build("demo", records, TASKS, {"digits": "Digits"}, NAMES, rows)


def test_the_best_accuracy_of_each_task_and_the_best_average_are_marked() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7]), record("b" * 12, [0.8, 0.8, 0.6]))
    assert [[cell.best for cell in row.cells] for row in found.rows[:2]] == [[True, False, True], [False, True, False]]
    assert [row.best for row in found.rows[:2]] == [False, True]


def test_a_single_run_is_not_called_the_best() -> None:
    row = table(record("a" * 12, [0.9, 0.5, 0.7])).rows[0]
    assert not row.best
    assert not any(cell.best for cell in row.cells)


def test_experts_do_not_compete_since_they_are_one_model_per_task() -> None:
    experts = record("e" * 12, [0.99, 0.99, 0.99], method="individual")
    found = table(record("a" * 12, [0.9, 0.5, 0.7]), record("b" * 12, [0.8, 0.8, 0.6]), experts)
    row = next(row for row in found.rows if row.id == "e" * 12)
    assert not row.best
    assert not any(cell.best for cell in row.cells)
    assert "one model per task" in row.note
    assert all(other.id != "experts" for other in found.rows)


def test_runs_on_fewer_tasks_never_lead_by_their_average() -> None:
    few = record("c" * 12, [0.99], tasks=["digits"])
    found = table(record("a" * 12, [0.9, 0.5, 0.7]), record("b" * 12, [0.8, 0.8, 0.6]), few)
    row = next(row for row in found.rows if row.id == "c" * 12)
    assert not row.complete
    assert not row.best
    assert [cell.accuracy for cell in row.cells] == [0.99, None, None]
    assert next(row for row in found.rows if row.id == "b" * 12).best


def test_only_finished_runs_are_in_the_table() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7]), record("b" * 12, [0.8, 0.8, 0.6], status="running"))
    assert [row.id for row in found.rows if row.kind == "run"] == ["a" * 12]


def test_base_and_experts_come_from_the_reports() -> None:
    found = {row.id: row for row in table(record("a" * 12, [0.9, 0.5, 0.7])).rows}
    assert [cell.accuracy for cell in found["base"].cells] == [0.4] * 3
    assert found["experts"].average == pytest.approx(0.95)
    assert found["base"].kind == found["experts"].kind == "reference"


def test_a_suite_without_a_finished_run_has_an_empty_table() -> None:
    found = table()
    assert found.rows == ()
    assert found.tasks == ()
    json.dumps(found.plain(), allow_nan=False)


def test_unknown_rows_are_left_out_and_repeated_ones_count_once() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7]))
    assert [row.id for row in found.chosen(["x", "base", "a" * 12, "base"])] == ["base", "a" * 12]


def test_csv_quotes_formulas_in_text_and_leaves_numbers_alone() -> None:
    found = table(record("a" * 12, [0.9, 0.5, -0.3], name='=HYPERLINK("http://x")'), record("b" * 12, [1, 1, 1]))
    rows = list(csv.DictReader(io.StringIO(texts.as_csv(found, found.rows))))
    assert rows[0]["name"] == '\'=HYPERLINK("http://x")'
    assert rows[0]["flags"] == "-0.3"
    assert float(rows[0]["digits low"]) == pytest.approx(0.88)
    assert float(rows[0]["seconds"]) == 12.5
    assert rows[0]["run"] == "a" * 12


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_begins_like_a_formula_is_quoted(start: str) -> None:
    assert texts.safe(f"{start}1+1") == f"'{start}1+1"
    assert texts.safe(f"a{start}") == f"a{start}"


def test_latex_escapes_names_and_prints_the_best_in_bold() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7], name="100% of λ_k & $x$"), record("b" * 12, [0.8, 0.8, 0.6]))
    text = texts.as_latex(found, found.rows[:2])
    assert r"100\% of $\lambda$\_k \& \$x\$ & \textbf{90.0} & 50.0" in text
    assert r"\textbf{73.3} \\" in text
    assert text.startswith(r"\begin{tabular}{lrrrr}")


def test_json_and_tsv_hold_the_rows_that_were_asked_for() -> None:
    found = table(record("a" * 12, [0.9, 0.5, None]), record("b" * 12, [0.8, 0.8, 0.6]))
    rows = found.chosen(["b" * 12])
    assert [row["id"] for row in json.loads(texts.as_json(found, rows))["rows"]] == ["b" * 12]
    assert texts.as_tsv(found, rows).splitlines() == [
        "Run\tDigits\tletters\tflags\tAverage\tSeconds",
        "AdaMerging\t80.0\t80.0\t60.0\t73.3\t12.5",
    ]


DRAWN = {"bars": figures.bars, "radar": figures.radar, "time": figures.time}


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", DRAWN)
def test_plotly_accepts_the_figures(name: str, narrow: bool) -> None:
    found = table(record("a" * 12, [0.9, 0.5, None]), record("b" * 12, [0.8, 0.8, 0.6], seconds=900.0))
    figure = complete(DRAWN[name](found, found.rows, theme="dark", narrow=narrow), "dark")
    json.dumps(figure, allow_nan=False)
    assert len(go.Figure(figure).data) == len(figure["data"]) > 0


def test_bars_carry_the_accuracies_and_their_intervals() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7]))
    bar = figures.bars(found, found.rows[:1])["data"][0]
    assert bar["y"] == [0.9, 0.5, 0.7]
    assert bar["error_y"]["array"] == pytest.approx([0.01] * 3)
    assert bar["error_y"]["arrayminus"] == pytest.approx([0.02] * 3)


@pytest.mark.parametrize("name", DRAWN)
def test_runs_without_labels_give_no_empty_axes(name: str) -> None:
    found = table(record("a" * 12, [None] * 3))
    assert DRAWN[name](found, found.rows[:1])["data"] == []


def test_names_of_runs_are_no_markup_in_figures() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7], name="<a href='x'>y</a>"), record("b" * 12, [0.8, 0.8, 0.6]))
    for draw in DRAWN.values():
        assert "<a" not in json.dumps(draw(found, found.rows))


def test_the_radar_puts_one_hundred_per_cent_on_the_unit_circle_and_the_first_task_on_top() -> None:
    found = table(record("a" * 12, [1.0, 1.0, 1.0]), record("b" * 12, [0.5, 0.6, 0.7]))
    whole = figures.radar(found, found.rows[:1])["data"][0]
    assert all(x**2 + y**2 == pytest.approx(1, abs=1e-4) for x, y in zip(whole["x"], whole["y"], strict=True))
    assert (whole["x"][0], whole["y"][0]) == pytest.approx((0, 1), abs=1e-4)
    assert (whole["x"][0], whole["y"][0]) == (whole["x"][-1], whole["y"][-1])
    inside = figures.radar(found, found.rows[:2])["data"][1]
    assert all(x**2 + y**2 < 0.5 for x, y in zip(inside["x"], inside["y"], strict=True))


def test_a_radar_of_two_tasks_is_not_drawn() -> None:
    few = build("demo", [record("a" * 12, [0.9, 0.5], tasks=TASKS[:2])], TASKS, {}, NAMES)
    assert figures.radar(few, few.rows)["data"] == []


def test_seconds_far_apart_get_a_logarithmic_axis() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7], seconds=0.01), record("b" * 12, [0.8, 0.8, 0.6], seconds=900.0))
    assert figures.time(found, found.rows)["layout"]["xaxis"]["type"] == "log"
    near = table(record("a" * 12, [0.9, 0.5, 0.7], seconds=10.0), record("b" * 12, [0.8, 0.8, 0.6]))
    assert figures.time(near, near.rows)["layout"]["xaxis"]["type"] == "linear"
    assert len(figures.time(near, near.rows)["data"]) == 2


def suite(arch: str) -> Any:
    return SimpleNamespace(entry=SimpleNamespace(base=SimpleNamespace(arch=arch)))


PAPER = ("sun397", "stanford_cars", "resisc45", "eurosat", "svhn", "gtsrb", "mnist", "dtd")


def test_published_rows_stand_beside_the_papers_own_suite_only() -> None:
    rows = published.rows(suite("ViT-B-32-quickgelu"), PAPER)
    found = {row.method: row for row in rows}
    assert found["AdaMerging (layer-wise)"].average == pytest.approx(0.801)
    assert found["AdaMerging (layer-wise)"].cells[PAPER.index("mnist")].accuracy == pytest.approx(0.975)
    assert found["TIES-Merging"].average == pytest.approx(0.724)
    assert all(row.kind == "published" and "published" in row.name and not row.best for row in rows)
    assert published.rows(suite("ViT-B-32"), PAPER[:7]) == []
    assert published.rows(suite("config.json"), PAPER) == []
    assert published.rows(suite("ViT-B-32"), TASKS) == []


def test_published_rows_never_compete() -> None:
    tasks = PAPER
    mine = record("a" * 12, [0.1] * 8, tasks=tasks)
    other = record("b" * 12, [0.05] * 8, tasks=tasks)
    found = build("clip", [mine, other], tasks, {}, NAMES, published.rows(suite("ViT-B-32"), tasks))
    assert next(row for row in found.rows if row.id == "a" * 12).best
    assert not any(row.best for row in found.rows if row.kind == "published")


def test_the_server_shows_the_runs_that_the_caller_may_see(dashboard_site: Any, short_run: str) -> None:
    owner, viewer = dashboard_site.owner(), dashboard_site.viewer(short_run)
    mine = owner.call("compare", run=short_run)
    assert mine["suite"] == "tiny"
    assert short_run in [row["id"] for row in mine["table"]["rows"]]
    assert mine["missing"]
    theirs = viewer.call("compare", run=short_run)
    assert [row["id"] for row in theirs["table"]["rows"] if row["kind"] == "run"] == [short_run]
    assert theirs["missing"] == []
    assert "not here" in viewer.call("compare", run="0" * 12)["error"]
    assert "Unknown suite" in viewer.call("compare", suite="another")["error"]


def test_the_server_draws_and_writes_rows(dashboard_site: Any, short_run: str) -> None:
    owner = dashboard_site.owner()
    drawn = owner.call("compare_figures", run=short_run, ids=[short_run, "base", "unknown"])
    assert [trace["name"] for trace in drawn["bars"]["wide"]["light"]["data"]] == ["short", "Base model"]
    assert drawn["radar"]["narrow"]["dark"]["data"]
    text = owner.call("compare_text", run=short_run, ids=[short_run], format="csv")
    assert text["name"] == "mergescope-tiny.csv"
    assert short_run in text["text"]


@pytest.mark.parametrize("ids", [None, "x", 3, [1], [["a"]], ["a"] * 501, {}])
def test_odd_lists_of_rows_are_refused(dashboard_site: Any, short_run: str, ids: object) -> None:
    owner = dashboard_site.owner()
    assert "`ids` should be" in owner.call("compare_figures", run=short_run, ids=ids)["error"]
    assert "`format` should be" in owner.call("compare_text", run=short_run, ids=[], format=ids)["error"]


class Queue:
    """Stands in for the jobs; takes `room` runs."""

    def __init__(self, room: int) -> None:
        self.room, self.asked = room, []

    def submit(self, request: RunRequest) -> str:
        if len(self.asked) == self.room:
            raise BadInput("At most 3 runs can wait.")
        self.asked.append(request)
        return f"{len(self.asked):012x}"


def test_run_all_methods_queues_the_missing_ones_as_far_as_there_is_room(dashboard_site: Any, short_run: str) -> None:
    request = SimpleNamespace(cookies=dict(dashboard_site.owner().http.cookies))
    queue = Queue(3)
    answer = Comparison(replace(dashboard_site.ctx, jobs=queue)).start_missing({"run": short_run}, request)
    assert len(answer["started"]) == len(queue.asked) == 3
    assert answer["problem"] == "At most 3 runs can wait."
    queue = Queue(99)
    Comparison(replace(dashboard_site.ctx, jobs=queue)).start_missing({"run": short_run}, request)
    made = {run.method for run in dashboard_site.ctx.store.runs(suite="tiny", status="done", cells=False)}
    assert {request.method for request in queue.asked} == set(methods.names()) - made
    assert "adamerging" in made
    assert all(request.tasks is None and request.suite.endswith("tiny.yaml") for request in queue.asked)


def test_only_the_owner_can_run_all_methods(dashboard_site: Any, short_run: str) -> None:
    assert "compare_start" not in dashboard_site.viewer(short_run).functions
    before = len(dashboard_site.ctx.store.runs())
    stranger = Dashboard(dashboard_site.stranger(), config=dashboard_site.owner().config)
    assert stranger.post("compare_start", {"run": short_run}).status_code in (401, 403)
    assert len(dashboard_site.ctx.store.runs()) == before
