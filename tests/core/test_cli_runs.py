"""`runs`: list, show, export and delete what was stored; resume in tests/core/test_cli_process.py."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from core.store import Store

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of `run_id` are kept once they are made."""
    return tmp_path_factory.mktemp("kept") / "runs"


@pytest.fixture
def run_id(cli: Cli, tiny_suite: Path, home: Path, kept: Path) -> str:
    """A finished AdaMerging run of three steps, in a store of its own for each test."""
    if kept.exists():
        shutil.copytree(kept, home / "runs")
    else:
        assert cli("merge", tiny_suite, "--set", "steps=3", "--set", "group=block", "--json").status == 0
        shutil.copytree(home / "runs", kept)
    return str(cli("runs", "list", "--json").data["runs"][0]["id"])


def test_nothing_is_listed_and_nothing_is_made_at_first(cli: Cli, home: Path) -> None:
    assert cli("runs", "list", "--json").data == {"runs": []}
    assert not (home / "runs").exists()


@pytest.mark.slow
def test_list_has_the_documented_facts_newest_first(cli: Cli, tiny_suite: Path, run_id: str) -> None:
    cli("merge", tiny_suite, "--method", "average", "--json")
    newest, oldest = cli("runs", "list", "--json").data["runs"]
    assert newest["method"] == "average"
    expected = {"id": run_id, "status": "done", "method": "adamerging", "suite": "tiny", "steps_done": 3, "steps": 3}
    assert expected.items() <= oldest.items()
    table = cli("runs", "list").out
    assert run_id in table
    assert "3/3" in table


def test_show_gives_settings_and_report(cli: Cli, run_id: str, tmp_path: Path) -> None:
    answer = cli("runs", "show", run_id, "--report", tmp_path / "report.json", "--json")
    assert answer.data["settings"]["group"] == "block"
    assert answer.data["report"] == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert len(answer.data["report"]["entropy"]) == 3
    text = cli("runs", "show", run_id).out
    assert "set group" in text
    assert "95 % interval" in text


@pytest.mark.slow
def test_export_writes_model_coefficients_and_report(cli: Cli, run_id: str, tmp_path: Path) -> None:
    model, table, report = tmp_path / "m.safetensors", tmp_path / "c.csv", tmp_path / "r.json"
    answer = cli("runs", "export", run_id, "--out", model, "--coefficients", table, "--report", report)
    assert answer.status == 0
    assert "visual.proj" in load_file(model)
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    groups = len(json.loads(report.read_text("utf-8"))["coefficients"]["groups"])
    assert len(rows) == 4 * groups
    assert {row["step"] for row in rows} == {"0", "1", "2", "3"}
    assert all(float(row["task0"]) == pytest.approx(0.3) for row in rows if row["step"] == "0")


def test_export_without_options_writes_the_model_here(
    cli: Cli, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("runs", "export", run_id).status == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"merged-{run_id}.safetensors"]


@pytest.mark.slow
def test_export_refuses_what_the_run_does_not_have(cli: Cli, tiny_suite: Path, tmp_path: Path) -> None:
    cli("merge", tiny_suite, "--method", "individual")
    [run] = cli("runs", "list", "--json").data["runs"]
    for option, name in (("--out", "m.safetensors"), ("--coefficients", "c.json"), ("--coefficients", "c.txt")):
        answer = cli("runs", "export", run["id"], option, tmp_path / name)
        assert answer.status == 2
        assert len(answer.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_delete_removes_the_run_and_its_files(cli: Cli, run_id: str, home: Path) -> None:
    assert list((home / "runs" / "artefacts").rglob("*.safetensors"))
    assert cli("runs", "delete", run_id).status == 0
    assert cli("runs", "list", "--json").data == {"runs": []}
    assert list((home / "runs" / "artefacts").rglob("*.safetensors")) == []
    assert cli("runs", "show", run_id).status == 2


def test_a_finished_run_is_not_resumed(cli: Cli, run_id: str) -> None:
    answer = cli("runs", "resume", run_id)
    assert answer.status == 2
    assert "is done" in answer.err


@pytest.mark.slow
def test_a_held_store_can_be_read_but_not_changed(cli: Cli, run_id: str, home: Path) -> None:
    store = Store.open(home / "runs")
    try:
        assert cli("runs", "list", "--json").data["runs"][0]["id"] == run_id
        answer = cli("runs", "delete", run_id)
        assert answer.status == 1
        assert "in use by process" in answer.err
        assert store.run(run_id).status == "done"
    finally:
        store.close()


@pytest.mark.slow
def test_hints_name_the_folder_of_runs_that_was_chosen(cli: Cli, tiny_suite: Path, tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "my runs"
    text = cli("merge", tiny_suite, "--method", "average", "--runs", folder).out
    assert f"--runs '{folder}'" in text
    assert "--runs" not in cli("merge", tiny_suite, "--method", "average").out
    [run] = cli("runs", "list", "--json").data["runs"]
    with Store.open(home / "runs") as store:
        unfinished = store.create(
            suite="tiny",
            method="average",
            settings={},
            seed=0,
            tasks=[],
            steps=0,
            execution={},
            hashes={},
            adapted_on="",
        )
    answer = cli("runs", "show", unfinished, "--report", tmp_path / "report.json")
    assert answer.status == 2
    assert f"runs resume {unfinished}`" in answer.err
    assert not (tmp_path / "report.json").exists()
    assert run["id"] != unfinished


@pytest.mark.slow
def test_an_export_that_can_not_be_complete_writes_nothing(cli: Cli, tiny_suite: Path, tmp_path: Path) -> None:
    cli("merge", tiny_suite, "--method", "average")
    [run] = cli("runs", "list", "--json").data["runs"]
    model, table = tmp_path / "m.safetensors", tmp_path / "c.json"
    answer = cli("runs", "export", run["id"], "--out", model, "--coefficients", table)
    assert answer.status == 2
    assert "coefficients" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_a_vanished_process_left_behind_is_listed_as_interrupted(cli: Cli, home: Path) -> None:
    facts: dict[str, Any] = {"settings": {}, "tasks": [], "execution": {}, "hashes": {}}
    with Store.open(home / "runs") as store:
        run_id = store.create(suite="tiny", method="average", seed=0, steps=5, adapted_on="test", **facts)
        store.set_status(run_id, "running")
    [run] = cli("runs", "list", "--json").data["runs"]
    assert (run["id"], run["status"]) == (run_id, "interrupted")
