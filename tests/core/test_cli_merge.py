"""`merge` and `compare`: what they report, write, store and say."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from core.store import Store
from tests.tiny import CONFIG, make_suite

REPORT = {
    "mergescope": str,
    "suite": str,
    "method": str,
    "settings": dict,
    "seed": int,
    "device": str,
    "precision": str,
    "tasks": list,
    "average_accuracy": float,
    "average_normalised": float,
    "steps": int,
    "seconds": float,
    "seconds_per_step": float,
    "peak_memory_mb": float,
    "precision_reason": str,
    "entropy": list,
    "coefficients": dict,
    "adapted_on": str,
    "samples_seen": int,
    "form": str,
    "average_agreement": float,
    "average_kl": float,
    "kept_step": int,
    "watched": dict,
    "verdict": dict,
    "check": dict,
    "average_macro_accuracy": float,
    "average_macro_f1": float,
    "average_ece": float,
    "by_class": dict,
    "calibration": dict,
    "data": dict,
    "notes": list,
    "findings": list,
}
TASK = {"name", "accuracy", "ci95", "expert_accuracy", "base_accuracy", "normalised"}
TASK |= {"agreement", "kl", "watched_images", "accuracy_between", "expert_stated"}
TASK |= {"macro_accuracy", "macro_f1", "ece", "confidence"}
QUICK = ("--set", "steps=4", "--set", "batch=4")
AWAY = ("--set", "steps=8", "--set", "lr=0.3")

Cli = Callable[..., Any]


def test_json_output_is_the_documented_report(cli: Cli, tiny_suite: Path) -> None:
    report = cli("merge", tiny_suite, *QUICK, "--json").data
    assert set(report) == set(REPORT)
    assert {key: type(report[key]) for key in REPORT} == REPORT
    assert [set(task) for task in report["tasks"]] == [TASK] * 3
    assert [task["name"] for task in report["tasks"]] == ["task0", "task1", "task2"]
    for task in report["tasks"]:
        assert 0 <= task["ci95"][0] <= task["accuracy"] <= task["ci95"][1] <= 1
    assert report["method"] == "adamerging"
    assert report["steps"] == 4
    assert len(report["entropy"]) == 4
    assert all(len(row) == 3 for row in report["entropy"])
    coefficients = report["coefficients"]
    assert coefficients["tasks"] == ["task0", "task1", "task2"]
    assert len(coefficients["values"]) == len(coefficients["groups"]) > 1
    assert report["samples_seen"] == 4 * 4 * 3


@pytest.mark.slow
def test_written_report_equals_the_printed_one(cli: Cli, tiny_suite: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    answer = cli("merge", tiny_suite, *QUICK, "--report", file, "--json")
    assert answer.status == 0
    assert json.loads(file.read_text("utf-8")) == answer.data


@pytest.mark.slow
def test_merged_model_loads_in_plain_open_clip_and_is_what_was_measured(
    cli: Cli, tiny_suite: Path, tmp_path: Path
) -> None:
    file = tmp_path / "merged.safetensors"
    report = cli("merge", tiny_suite, *QUICK, "--out", file, "--json").data
    model = open_clip.CLIP(**CONFIG)
    model.load_state_dict(load_file(file))
    measured = cli("evaluate", tiny_suite, "--weights", file, "--json").data
    assert [row["accuracy"] for row in measured["tasks"]] == [row["accuracy"] for row in report["tasks"]]
    base = load_file(tiny_suite.parent / "base.safetensors")
    assert not torch.equal(model.state_dict()["visual.proj"], base["visual.proj"])
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["suite"] == "tiny"
    assert metadata["method"] == "adamerging"
    assert json.loads(metadata["settings"])["steps"] == 4
    assert set(json.loads(metadata["hashes"])) == {"base", "task0", "task1", "task2"}


def test_table_names_every_task_and_the_run(cli: Cli, tiny_suite: Path) -> None:
    answer = cli("merge", tiny_suite, "--method", "average")
    assert answer.status == 0
    for word in ("task0", "task1", "task2", "average", "95 % interval", "normalised", "expert", "base"):
        assert word in answer.out
    [run] = cli("runs", "list", "--json").data["runs"]
    assert run["id"] in answer.out


@pytest.mark.slow
def test_only_the_chosen_tasks_take_part(cli: Cli, tiny_suite: Path) -> None:
    report = cli("merge", tiny_suite, *QUICK, "--tasks", "task2,task0", "--json").data
    assert {task["name"] for task in report["tasks"]} == {"task0", "task2"}


@pytest.mark.slow
def test_settings_and_seed_reach_the_method(cli: Cli, tiny_suite: Path) -> None:
    given = ("--set", "group=block", "--set", "lr=1e-2", "--set", "clamp=false", "--seed", "7")
    report = cli("merge", tiny_suite, *QUICK, *given, "--json").data
    assert report["seed"] == 7
    wanted = {"group": "block", "lr": 0.01, "clamp": False, "seed": 7, "steps": 4}
    assert wanted.items() <= report["settings"].items()


@pytest.mark.slow
def test_equal_seeds_give_equal_coefficients_and_others_do_not(cli: Cli, tiny_suite: Path) -> None:
    moving = ("--set", "lr=0.1", "--set", "keep_step=last")
    first, again, other = (
        cli("merge", tiny_suite, *QUICK, *moving, "--seed", seed, "--json").data["coefficients"] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.slow
def test_the_suites_own_defaults_apply_below_what_is_given(cli: Cli, tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite")
    suite.write_text(suite.read_text() + "defaults:\n  task_arithmetic: {scale: 0.7}\n")
    command = ("merge", suite, "--method", "task_arithmetic", "--json")
    assert cli(*command).data["settings"]["scale"] == 0.7
    assert cli(*command, "--set", "scale=0.2").data["settings"]["scale"] == 0.2


@pytest.fixture
def alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be small elsewhere is a lot on a suite whose experts hardly differ."""
    monkeypatch.setattr("core.insight.trust.RISE", 0.005)


@pytest.mark.slow
@pytest.mark.usefixtures("alert")
def test_distrust_is_said_on_standard_error_only(cli: Cli, tiny_suite: Path) -> None:
    # Entropy leads away from experts of random numbers; following them does not.
    answer = cli("merge", tiny_suite, *AWAY, "--json")
    assert "moves away from its expert" in answer.err
    assert "expert_kl" in answer.err
    assert answer.data["method"] == "adamerging"
    assert all(text in answer.err for text in answer.data["check"]["warnings"])
    assert answer.data["check"]["warnings"]
    follows = cli("merge", tiny_suite, *AWAY, "--set", "objective=expert_kl")
    assert "moves away" not in follows.err
    assert "The check before the start found nothing to warn about." in follows.out


@pytest.mark.slow
@pytest.mark.usefixtures("alert")
def test_check_looks_ahead_where_a_method_is_named(cli: Cli, tiny_suite: Path) -> None:
    named = ("check", tiny_suite, "--method", "adamerging", *AWAY)
    assert "moves away from its expert" in cli(*named).out
    found = cli(*named, "--json").data["trust"]
    assert [one["task"] for one in found] == ["task0", "task1", "task2"]
    assert not all(one["trusted"] for one in found)
    assert "trust" not in cli("check", tiny_suite, "--json").data
    assert cli("check", tiny_suite, *AWAY).status == 2


@pytest.mark.slow
def test_an_earlier_file_is_replaced(cli: Cli, tiny_suite: Path, tmp_path: Path) -> None:
    file = tmp_path / "merged.safetensors"
    file.write_text("an earlier file")
    assert cli("merge", tiny_suite, "--method", "average", "--out", file).status == 0
    assert "visual.proj" in load_file(file)
    assert [path.name for path in tmp_path.iterdir()] == ["merged.safetensors"]


@pytest.mark.slow
def test_merge_goes_on_without_a_store_that_another_process_holds(
    cli: Cli, tiny_suite: Path, tmp_path: Path, home: Path
) -> None:
    report, out = tmp_path / "report.json", tmp_path / "merged.safetensors"
    store = Store.open(home / "runs")
    try:
        answer = cli("merge", tiny_suite, "--method", "average", "--report", report, "--out", out)
        assert store.runs() == []
    finally:
        store.close()
    assert answer.status == 0
    assert "in use by process" in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "runs show" not in answer.out
    assert json.loads(report.read_text("utf-8"))["method"] == "average"
    assert out.is_file()


@pytest.mark.slow
def test_runs_go_to_the_named_folder(cli: Cli, tiny_suite: Path, tmp_path: Path, home: Path) -> None:
    assert cli("merge", tiny_suite, "--method", "average", "--runs", tmp_path / "runs").status == 0
    assert len(cli("runs", "list", "--runs", tmp_path / "runs", "--json").data["runs"]) == 1
    assert not (home / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--out", "--report"])
def test_a_full_disk_at_the_end_is_one_line_and_keeps_the_earlier_file_and_the_run(
    cli: Cli, tiny_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    target = tmp_path / {"--out": "merged.safetensors", "--report": "report.json"}[option]
    target.write_text("earlier")
    replace = Path.replace

    def full(self: Path, other: Path) -> Path:
        if other.parent == tmp_path:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", full)
    answer = cli("merge", tiny_suite, "--method", "average", option, target)
    assert answer.status == 1
    assert len(answer.err.splitlines()) == 1
    assert "the disk is full" in answer.err
    assert target.read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert [run["status"] for run in cli("runs", "list", "--json").data["runs"]] == ["done"]
