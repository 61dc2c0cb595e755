"""Studies: planned from the registry, read from reports, resumed after a kill, written in every format."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from core import methods, studies
from core.errors import BadInput, UnknownName
from core.problem import Problem
from core.settings import parse
from core.statistics import estimate, paired, spearman
from core.store import Store
from core.studies import Study
from core.studies.engine import texts
from core.studies.engine.cells import Cell, content_key
from core.studies.engine.done import Done
from core.studies.engine.options import StudyOptions
from core.suites import SuiteFile, find
from tests.tiny import make_suite

ROOT = Path(__file__).resolve().parents[2]
ALL = [studies.get(name) for name in studies.names()]
Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> SuiteFile:
    """Five tasks: enough to leave some out."""
    return find(str(make_suite(tmp_path_factory.mktemp("studies"), tasks=5)))


def planned(study: Study, file: SuiteFile, **options: Any) -> list[Cell]:
    return study.plan(study.scope(file, parse(StudyOptions, options, "study")))


def report(cell: Cell, place: int) -> dict[str, Any]:
    """A made-up report whose every number differs from cell to cell."""
    tasks = [
        {
            "name": task,
            "accuracy": 0.3 + 0.011 * place + 0.07 * at,
            "ci95": [0.2, 0.9],
            "expert_accuracy": 0.9,
            "base_accuracy": 0.1,
            "normalised": (0.3 + 0.011 * place + 0.07 * at) / 0.9,
        }
        for at, task in enumerate((*cell.tasks, *cell.unseen))
    ]
    merged = tasks[: len(cell.tasks)]
    found: dict[str, Any] = {
        "method": cell.method,
        "tasks": tasks,
        "average_accuracy": sum(task["accuracy"] for task in merged) / len(merged),
        "average_normalised": sum(task["normalised"] for task in merged) / len(merged),
        "seconds": 1.0 + place,
        "samples_seen": 10 * place,
        "peak_memory_mb": 100.0,
        "adapted_on": "test",
        "steps": 4,
        "measured": {},
    }
    for one in cell.measures:
        steps = one.get("steps", [])
        found["measured"][one["name"]] = {
            "entropy_loss": {
                "steps": steps,
                "tasks": {t: [0.5 + 0.01 * s for s in range(len(steps))] for t in cell.tasks},
            },
            "accuracy_at": {
                "steps": steps,
                "seconds": [0.5 * s for s in range(len(steps))],
                "accuracy": [0.4 + 0.02 * s + 0.001 * place for s in range(len(steps))],
            },
            "cosine": {"tasks": list(cell.tasks), "cosine": [[1.0, 0.01 * place], [0.01 * place, 1.0]]},
            "calibration": {
                "tasks": {
                    t: {
                        "ece": 0.1 + 0.001 * place,
                        "confidence": 0.7,
                        "accuracy": 0.6,
                        "bins": [[5, 0.3, 0.2], [9, 0.9, 0.8]],
                    }
                    for t in (*cell.tasks, *cell.unseen)
                }
            },
        }[one["name"]]
    return found


def made_up(study: Study, file: SuiteFile, **options: Any) -> list[Done]:
    return [Done(cell, report(cell, place), run="0" * 12) for place, cell in enumerate(planned(study, file, **options))]


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_a_study_says_what_it_asks_and_plans_different_cells(study: Study, file: SuiteFile) -> None:
    assert study.question.endswith("?")
    assert study.title
    cells = planned(study, file)
    assert len(cells) >= 2
    assert len({json.dumps(cell.plain(), sort_keys=True) for cell in cells}) == len(cells)
    for cell in cells:
        assert (
            parse(methods.get(cell.method).Settings, dict(cell.settings), cell.method).model_dump(mode="json")
            == cell.settings
        )
        assert Cell.from_plain(json.loads(json.dumps(cell.plain()))) == replace(
            cell, settings=dict(cell.settings), where=dict(cell.where)
        )
        assert set(cell.tasks) <= set(file.experts)
        assert not set(cell.tasks) & set(cell.unseen)


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_a_quick_study_is_a_smaller_one(study: Study, file: SuiteFile) -> None:
    whole, quick = planned(study, file), planned(study, file, quick=True)
    cost = [sum(int(cell.settings.get("steps", 1)) for cell in cells) for cells in (whole, quick)]
    assert cost[1] <= cost[0]
    assert len(quick) <= len(whole)


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_results_hold_finite_numbers_whatever_is_missing(study: Study, file: SuiteFile) -> None:
    scope = study.scope(file, StudyOptions())
    whole = made_up(study, file)
    for cells in (whole, whole[:1], whole[1::2], [], [replace(one, report=None, error="no labels") for one in whole]):
        result = study.result(scope, cells)
        json.dumps(result.plain(), allow_nan=False)
        texts.as_latex(result)
        for table in (*result.tables, *result.published):
            assert all(len(row.values) == len(table.columns) for row in table.rows)
        for chart in result.charts:
            assert all(len(series.x) == len(series.y) for series in chart.series)
    result = study.result(scope, whole)
    assert any(table.rows for table in result.tables)
    assert any(series.y for chart in result.charts for series in chart.series if not series.published)
    assert result.findings
    assert all(table.source for table in result.published)
    assert not any(table.source for table in result.tables)


def test_the_accuracy_study_has_every_method_of_the_registry(file: SuiteFile) -> None:
    assert {cell.method for cell in planned(studies.get("accuracy"), file)} == set(methods.names())


def test_tables_hold_the_mean_of_the_seeds(file: SuiteFile) -> None:
    study = studies.get("data_fraction")
    cells = made_up(study, file, methods=["adamerging"], seeds=[0, 1])
    table = study.result(study.scope(file, StudyOptions()), cells).tables[0]
    row = next(row for row in table.rows if "all images" in row.label)
    own = [one for one in cells if one.cell.where["fraction"] == 1.0]
    assert len(own) == 2
    value = row.values[-1]
    assert value is not None
    assert value.mean == pytest.approx(sum(one.accuracy() or 0 for one in own) / 2)
    assert value.n == 2


def test_intervals_are_students() -> None:
    # scipy.stats.t.interval(0.95, 2, loc=2, scale=1/sqrt(3)), worked out apart from this program.
    found = estimate([1.0, 2.0, 3.0, None])
    assert found is not None
    assert (found.mean, found.n) == (2.0, 3)
    assert (found.low, found.high) == (pytest.approx(-0.4841377), pytest.approx(4.4841377))
    assert estimate([0.5]) == estimate([0.5, None])
    assert estimate([0.5]).low is None  # type: ignore[union-attr]
    assert estimate([None]) is None


def test_paired_differences_use_common_seeds_only() -> None:
    found = paired({0: 0.5, 1: 0.7, 2: None, 3: 0.9}, {0: 0.4, 1: 0.5, 2: 0.1, 4: 0.0})
    assert found is not None
    assert (found.mean, found.n) == (pytest.approx(0.15), 2)


def test_rank_correlation_of_a_constant_is_unknown() -> None:
    assert spearman([1, 2, 3, 4], [1, 4, 9, 16]) == (pytest.approx(1.0), pytest.approx(0.0))
    assert spearman([1, 2, 3], [5, 5, 5]) is None
    assert spearman([1, 2], [1, 2]) is None


def test_the_key_changes_with_what_the_result_depends_on_and_with_nothing_else(
    problem32: Problem, tiny_suite: Path
) -> None:
    cell = planned(studies.get("data_fraction"), find(str(tiny_suite)))[0]
    key = content_key(cell, problem32)
    assert content_key(replace(cell, where={"other": 1}), problem32) == key
    for change in (
        {"settings": {**cell.settings, "lr": 0.5}},
        {"tasks": cell.tasks[:2]},
        {"tasks": cell.tasks[:2], "unseen": cell.tasks[2:]},
        {"images": {"corruption": "contrast", "severity": 1}},
        {"measures": ({"name": "calibration"},)},
        {"method": "adamerging_pp"},
    ):
        assert content_key(replace(cell, **change), problem32) != key
    changed = replace(problem32, hashes={**problem32.hashes, "task1": "0" * 64})
    assert content_key(cell, changed) != key


def test_unknown_names_and_odd_choices_are_refused(cli: Cli, tiny_suite: Path) -> None:
    cli("study", "nothing", tiny_suite).refused("Unknown study", "accuracy")
    cli("study", "accuracy").refused("needs a suite")
    cli("study", "accuracy", tiny_suite, "--tasks", "nothing").refused("Unknown task")
    cli("study", "accuracy", tiny_suite, "--methods", "nothing").refused("Unknown method")
    cli("study", "accuracy", tiny_suite, "--set", "nothing=1").refused("Unknown setting", "lr")
    cli("study", "accuracy", tiny_suite, "--seeds", "-1").refused("seeds")
    cli("study", "accuracy", tiny_suite, "--from", "x.yaml").refused("leave them out")
    cli("study", "--from", "missing.yaml").refused("can't be read")
    cli("study", "data_fraction", tiny_suite, "--methods", "average").refused("at least one run")


@pytest.mark.parametrize("text", ["", "[", "a: 1", "cells: [1]", "cells: [{}]\nsuite: x\nstudy: scale"])
def test_odd_recipes_are_refused(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    cli("study", "--from", path).refused()


QUICK = ("--set", "steps=3", "--set", "batch=2")


def test_a_study_is_written_in_every_format_and_its_recipe_repeats_it(
    cli: Cli, tiny_suite: Path, tmp_path: Path, home: Path
) -> None:
    command = ["study", "data_fraction", tiny_suite, "--quick", "--methods", "adamerging", *QUICK]
    told = cli(*command, "--estimate", "--json").data
    assert told["runs"] == 3
    assert told["seconds"] > 0
    answer = cli(*command, "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    assert "quick" in answer.out
    files = {path.suffix: path for path in (tmp_path / "out").iterdir()}
    assert set(files) == {".csv", ".tex", ".json", ".yaml", ".html"}
    rows = list(csv.DictReader(io.StringIO(files[".csv"].read_text("utf-8"))))
    assert {row["origin"] for row in rows} == {"measured", rows[-1]["origin"]}
    assert "not measured here" in rows[-1]["origin"]
    content = json.loads(files[".json"].read_text("utf-8"))
    assert (content["study"], content["quick"], content["runs"], content["runs_done"]) == ("data_fraction", True, 3, 3)
    recipe = yaml.safe_load(files[".yaml"].read_text("utf-8"))
    assert [cell["settings"]["steps"] for cell in recipe["cells"]] == [3, 3, 3]
    assert cli(*command, "--estimate", "--json").data["runs_done"] == 3
    assert len(cli("runs", "list", "--json").data["runs"]) == 3

    repeated = cli("study", "--from", files[".yaml"], "--json", "--runs", tmp_path / "elsewhere")
    assert repeated.status == 0, repeated.err
    assert repeated.data["tables"] == content["tables"]
    recipe["hashes"]["base"] = "0" * 64
    files[".yaml"].write_text(yaml.safe_dump(recipe))
    assert "base" in cli("study", "--from", files[".yaml"]).err


def test_a_failed_run_does_not_stop_the_others(cli: Cli, suite: Path) -> None:
    # Without labels the supervised cell can't learn; the data-free ones can't be scored but run.
    answer = cli("study", "accuracy", suite, "--methods", "adamerging,average", "--set", "objective=nothing", *QUICK)
    answer.refused("objective")
    command = ["study", "accuracy", suite, "--methods", "adamerging,average", "--seeds", "0", *QUICK]
    answer = cli(*command, "--set", "lr=10", "--set", "clamp=off", "--set", "init=9", "--json")
    assert answer.status == 0
    assert {row["label"] for row in answer.data["tables"][0]["rows"]} >= {"Weight averaging"}


@pytest.mark.slow
def test_a_study_killed_in_the_middle_goes_on_and_ends_the_same(
    cli: Cli, tiny_suite: Path, home: Path, tmp_path: Path
) -> None:
    command = [
        "study",
        "data_fraction",
        str(tiny_suite),
        "--methods",
        "adamerging",
        "--seeds",
        "0",
        "--set",
        "steps=25",
    ]
    whole = cli(*command, "--json", "--runs", tmp_path / "whole").data
    Store.open(home / "runs").close()
    launch = [sys.executable, str(ROOT / "launch.py"), *command]
    process = subprocess.Popen(launch, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ)
    with Store.open(home / "runs", write=False) as store:
        deadline = time.monotonic() + 180

        def begun() -> bool:
            runs = store.runs()
            return any(run.status == "done" for run in runs) and any(
                run.status == "running" and run.steps_done >= 2 for run in runs
            )

        while not begun():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Store.open(home / "runs") as store:
        [study] = store.studies.listing()
        assert study.status == "interrupted"
        before = {run.id: (run.status, run.finished) for run in store.runs()}
        assert "interrupted" in {status for status, _ in before.values()}
    resumed = cli(*command, "--json").data
    assert resumed["tables"] == whole["tables"]
    with Store.open(home / "runs") as store:
        [study] = store.studies.listing()
        assert study.status == "done"
        runs = {run.id: run for run in store.runs()}
        assert len(runs) == 4
        assert set(before) <= set(runs)
        for run_id, (status, ended) in before.items():
            if status == "done":
                assert runs[run_id].finished == ended


def test_a_cell_can_be_resumed_like_any_run(cli: Cli, tiny_suite: Path, home: Path) -> None:
    command = ["study", "entropy_loss", tiny_suite, "--tasks", "task0,task2", "--seeds", "0", *QUICK]
    assert cli(*command, "--json").status == 0
    with Store.open(home / "runs") as store:
        [run] = store.runs()
        before = store.run(run.id).report
        store.set_status(run.id, "interrupted")
        assert store.artefacts(run.id) == []
    assert cli("runs", "resume", run.id, "--json").data["measured"] == (before or {})["measured"]


def test_odd_options_are_named() -> None:
    for values in ({"seeds": []}, {"seeds": [1, 1]}, {"seeds": [-1]}, {"tasks": []}, {"methods": ["a", "a"]}):
        with pytest.raises(BadInput):
            parse(StudyOptions, values, "study")
    with pytest.raises(UnknownName):
        parse(StudyOptions, {"colour": 1}, "study")
