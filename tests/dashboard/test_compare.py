"""The table of runs, its texts and its figures, from made-up reports."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from core import methods
from core.errors import BadInput
from core.export.render import for_sheet
from core.export.results import build
from core.export.tables import text
from core.runs.spec import RunSpec
from core.store import Execution, WhatIf
from core.suite.find import SuiteFile
from dashboard.pages.compare import published
from dashboard.pages.compare.page import Comparison
from tests.dashboard.client import Dashboard
from tests.dashboard.compared import TASKS, record, table


def test_the_best_accuracy_of_each_task_and_the_best_average_are_marked() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7]), record("b" * 12, [0.8, 0.8, 0.6]))
    assert [[cell.best for cell in row.cells] for row in found.rows[:2]] == [[True, False, True], [False, True, False]]
    assert [row.best for row in found.rows[:2]] == [False, True]
    low, high = found.rows[1].interval or (0, 0)
    assert low < found.rows[1].average < high  # type: ignore[operator]
    assert high - low < 0.03  # Narrower than that of one task.


def test_a_run_changed_by_hand_never_wins_and_says_what_it_came_from() -> None:
    edits = [{"task": "digits", "where": "", "op": "set", "value": 0.9}]
    made = {"of": "a" * 12, "step": 20, "edits": edits}
    old = record("c" * 12, [0.99, 0.99, 0.99], execution=Execution.of_plain({"what_if": made}))
    costed = Execution.of_plain({"what_if": made | {"seconds": 12.0, "samples": 640}})
    new = record("d" * 12, [0.98, 0.98, 0.98], execution=costed)
    found = table(record("a" * 12, [0.9, 0.5, 0.7], name="mine"), record("b" * 12, [0.8, 0.8, 0.6]), old, new)
    rows = {row.id[0]: row for row in found.rows if row.kind == "run"}
    assert [key for key, row in rows.items() if row.best] == ["b"]
    assert not any(cell.best for key in "cd" for cell in rows[key].cells)
    assert {rows["c"].group, rows["d"].group} == {"edited"}
    assert rows["d"].method == "AdaMerging, λ changed by hand"
    assert (rows["d"].parent, rows["d"].changes) == ("mine", "after step 20: digits, all layers: λ = 0.9")
    assert (rows["d"].seconds, rows["d"].samples) == (12.5, 640)
    assert (rows["c"].seconds, rows["c"].samples) == (None, None)  # Its parent's cost is not known.
    line = list(csv.DictReader(io.StringIO(text(found, found.rows, "csv"))))[3]
    assert (line["parent"], line["changes"]) == ("mine", rows["d"].changes)


@pytest.mark.slow
def test_a_run_changed_by_hand_does_not_stand_for_its_method(dashboard_site: Any) -> None:
    comparison = Comparison(dashboard_site.ctx)
    tasks = dashboard_site.ctx.suites()["tiny"].experts
    plain = record("a" * 12, [0.9] * len(tasks), tasks=tasks)
    edited = replace(plain, execution=Execution(what_if=WhatIf("b" * 12, 1, ())))
    missing = [{one.name for one in comparison._missing("tiny", [run])} for run in (plain, edited)]
    assert missing[1] - missing[0] == {"adamerging"}


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


def test_only_single_models_made_without_labels_compete() -> None:
    with_labels = record("s" * 12, [0.99, 0.99, 0.99], settings={"objective": "cross_entropy"})
    parts = record("p" * 12, [0.98, 0.98, 0.98])
    parts.report["form"] = "needs task modules"  # type: ignore[index]
    records = [record("a" * 12, [0.9, 0.5, 0.7]), record("b" * 12, [0.8, 0.8, 0.6]), with_labels, parts]
    found = table(*records)
    rows = {row.id[0]: row for row in found.rows if row.kind == "run"}
    assert {key: row.group for key, row in rows.items()} == {"a": "one", "b": "one", "s": "labelled", "p": "several"}
    assert [key for key, row in rows.items() if row.best] == ["b"]
    assert not any(cell.best for key in "sp" for cell in rows[key].cells)


def test_runs_of_one_name_are_told_apart_by_what_differs() -> None:
    found = table(
        record("a" * 12, [0.9, 0.5, 0.7], settings={"group": "task", "lr": 0.1}),
        record("b" * 12, [0.9, 0.5, 0.7], settings={"group": "block", "lr": 0.1}),
        record("c" * 12, [0.9, 0.5, 0.7], settings={"group": "block", "lr": 0.1}),
        record("d" * 12, [0.9, 0.5, 0.7], settings={"scale": 0.4}, method="task_arithmetic"),
    )
    labels = {row.id[0]: row.label for row in found.rows if row.kind == "run"}
    assert labels["a"] == "AdaMerging, group=task"
    assert labels["b"] == labels["c"] == "AdaMerging, 01-02 03:04"  # What most have need not be named.
    assert labels["d"] == "Task Arithmetic"


def test_only_finished_runs_are_in_the_table() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7]), record("b" * 12, [0.8, 0.8, 0.6], status="running"))
    assert [row.id for row in found.rows if row.kind == "run"] == ["a" * 12]


def test_averages_of_base_and_experts_count_what_the_reports_count() -> None:
    run = record("a" * 12, [0.8, 0.7, 0.2])
    assert run.report is not None
    run.report["tasks"][2] |= {"base_accuracy": 0.1, "expert_accuracy": None}
    found = {row.id: row.average for row in table(replace(run, tasks=TASKS[:2])).rows}
    assert found["base"] == pytest.approx(0.4)
    assert found["experts"] == pytest.approx(0.95)


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
    rows = list(csv.DictReader(io.StringIO(text(found, found.rows, "csv"))))
    assert rows[0]["name"] == '\'=HYPERLINK("http://x")'
    assert rows[0]["flags"] == "-0.3"
    assert float(rows[0]["digits low"]) == pytest.approx(0.88)
    assert float(rows[0]["seconds"]) == 12.5
    assert rows[0]["run"] == "a" * 12


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_begins_like_a_formula_is_quoted(start: str) -> None:
    assert for_sheet(f"{start}1+1") == f"'{start}1+1"
    assert for_sheet(f"a{start}") == f"a{start}"


def test_latex_escapes_names_and_prints_the_best_in_bold() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7], name="100% of λ_k & $x$"), record("b" * 12, [0.8, 0.8, 0.6]))
    made = text(found, found.rows[:2], "tex")
    assert r"100\% of $\lambda$\_k \& \$x\$ & \textbf{90.0} & 50.0" in made
    assert r"\textbf{73.3} \\" in made
    assert made.startswith(r"\begin{tabular}{lrrrr}")


def test_json_and_tsv_hold_the_rows_that_were_asked_for() -> None:
    found = table(
        record("a" * 12, [0.9, 0.5, None], settings={"lr": 0.01, "steps": 9}),
        record("b" * 12, [0.8, 0.8, 0.6], settings={"lr": 0.1, "steps": 9}),
    )
    rows = found.chosen(["b" * 12])
    assert [row["id"] for row in json.loads(text(found, rows, "json"))["rows"]] == ["b" * 12]
    assert text(found, rows, "tsv").splitlines() == [
        "Run\tDigits\tletters\tflags\tAverage\tSeconds\tLearned on\tResult",
        "AdaMerging, lr=0.1\t80.0\t80.0\t60.0\t73.3\t12.5\ttest\tone model",
    ]


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
    found = build("clip", [mine, other], tasks, {}, lambda tasks: published.rows(suite("ViT-B-32"), tasks))
    assert next(row for row in found.rows if row.id == "a" * 12).best
    assert not any(row.best for row in found.rows if row.kind == "published")


@pytest.mark.slow
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
    assert [trace["name"] for trace in drawn["bars"]["wide"]["data"]] == ["short", "Base model"]
    assert drawn["radar"]["narrow"]["data"]
    answer = owner.call("compare_text", run=short_run, ids=[short_run], format="csv")
    assert answer["name"] == "mergescope-tiny.csv"
    assert short_run in answer["text"]


@pytest.mark.parametrize("ids", [None, "x", 3, [1], [["a"]], ["a"] * 501, {}])
def test_odd_lists_of_rows_are_refused(dashboard_site: Any, short_run: str, ids: object) -> None:
    owner = dashboard_site.owner()
    assert "`ids` should be" in owner.call("compare_figures", run=short_run, ids=ids)["error"]
    assert "`format` should be" in owner.call("compare_text", run=short_run, ids=[], format=ids)["error"]


class Queue:
    """Stands in for the jobs; takes `room` runs."""

    def __init__(self, room: int) -> None:
        self.room, self.asked = room, []

    def submit(self, request: RunSpec, suite: SuiteFile) -> str:
        if len(self.asked) == self.room:
            raise BadInput("At most 3 runs can wait.")
        self.asked.append((request, suite))
        return f"{len(self.asked):012x}"


def test_run_all_methods_queues_the_missing_ones_as_far_as_there_is_room(dashboard_site: Any, short_run: str) -> None:
    request = SimpleNamespace(cookies=dict(dashboard_site.owner().http.cookies))
    queue = Queue(3)
    answer = Comparison(replace(dashboard_site.ctx, jobs=queue)).compare_start(request, run=short_run)
    assert len(answer["started"]) == len(queue.asked) == 3
    assert answer["problem"] == "At most 3 runs can wait."
    queue = Queue(99)
    Comparison(replace(dashboard_site.ctx, jobs=queue)).compare_start(request, run=short_run)
    made = {run.method for run in dashboard_site.ctx.store.runs(suite="tiny", status="done", cells=False)}
    assert {request.method.name for request, _ in queue.asked} == set(methods.names()) - made
    assert "adamerging" in made
    assert all(asked.tasks == suite.experts and asked.origin.endswith("tiny.yaml") for asked, suite in queue.asked)


def test_only_the_owner_can_run_all_methods(dashboard_site: Any, short_run: str) -> None:
    assert dashboard_site.viewer(short_run).post("compare_start", {"run": short_run}).status_code == 404
    before = len(dashboard_site.ctx.store.runs())
    stranger = Dashboard(dashboard_site.stranger())
    assert stranger.post("compare_start", {"run": short_run}).status_code in (401, 403)
    assert len(dashboard_site.ctx.store.runs()) == before
