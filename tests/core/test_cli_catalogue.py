"""`methods`, `suites`, `tasks`, `inspect`, `evaluate`, `similarity` and `doctor`: what they print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core import methods
from core.files import sha256
from tests.tiny import make_suite

Cli = Callable[..., Any]


@pytest.mark.slow
def test_methods_lists_the_registry_with_every_settings_source(cli: Cli) -> None:
    listed = cli("methods", "--json").data["methods"]
    assert [method["name"] for method in listed] == list(methods.names())
    for method in listed:
        assert method["paper"]
        assert method["summary"]
        for setting in method["settings"]:
            assert setting["source"], (method["name"], setting["name"])
            assert setting["description"], (method["name"], setting["name"])


@pytest.mark.slow
def test_methods_with_a_name_shows_settings_and_defaults(cli: Cli) -> None:
    text = cli("methods", "adamerging").out
    for word in ("group", "tensor", "lr", "0.001", "steps", "500", "AdaMerging (ICLR 2024)"):
        assert word in text
    assert "Task Arithmetic" not in text
    [method] = cli("methods", "ties", "--json").data["methods"]
    assert method["name"] == "ties"


def test_methods_table_names_all(cli: Cli) -> None:
    text = cli("methods").out
    assert all(name in text for name in methods.names())


@pytest.mark.slow
def test_suites_of_the_person_are_listed_and_win(cli: Cli, home: Path) -> None:
    make_suite(home / "suites", name="mine")
    listed = {suite["name"]: suite for suite in cli("suites", "--json").data["suites"]}
    assert listed["mine"]["tasks"] == ["task0", "task1", "task2"]
    assert listed["mine"]["error"] is None
    assert "mine" in cli("suites").out
    assert cli("merge", "mine", "--method", "average").status == 0


def test_a_broken_own_suite_does_not_hide_the_others(cli: Cli, home: Path) -> None:
    make_suite(home / "suites", name="mine")
    (home / "suites" / "broken.yaml").write_text("name: [")
    listed = {suite["name"]: suite for suite in cli("suites", "--json").data["suites"]}
    assert "line 1" in listed["broken"]["error"]
    assert listed["mine"]["error"] is None


@pytest.mark.slow
def test_tasks_shows_classes_and_experts(cli: Cli, tiny_suite: Path) -> None:
    data = cli("tasks", tiny_suite, "--json").data
    assert data["suite"] == "tiny"
    assert data["tasks"][1]["name"] == "task1"
    assert data["tasks"][1]["classes"] == ["red", "green", "blue", "grey"]
    assert data["tasks"][1]["expert"] == "task1.safetensors"
    assert "red, green, blue, grey" in cli("tasks", tiny_suite).out


def test_inspect_lists_tensors_and_identifies_the_file(cli: Cli, tiny_suite: Path) -> None:
    file = tiny_suite.parent / "task0.safetensors"
    data = cli("inspect", file, "--json").data
    tensors = load_file(file)
    assert {item["name"]: item["shape"] for item in data["tensors"]} == {k: list(v.shape) for k, v in tensors.items()}
    assert data["parameters"] == sum(tensor.numel() for tensor in tensors.values())
    assert data["sha256"] == sha256(file)
    text = cli("inspect", file).out
    assert "visual.conv1.weight" in text
    assert data["sha256"] in text


@pytest.mark.slow
def test_evaluate_measures_base_and_experts_as_merge_does(cli: Cli, tiny_suite: Path) -> None:
    report = cli("merge", tiny_suite, "--method", "pretrained", "--json").data
    base = cli("evaluate", tiny_suite, "--json").data
    assert base == cli("evaluate", tiny_suite, "--base", "--json").data
    assert [row["accuracy"] for row in base["tasks"]] == [row["base_accuracy"] for row in report["tasks"]]
    expert = cli("evaluate", tiny_suite, "--expert", "task1", "--tasks", "task1", "--json").data
    assert [row["accuracy"] for row in expert["tasks"]] == [report["tasks"][1]["expert_accuracy"]]
    assert "task1" in cli("evaluate", tiny_suite, "--expert", "task1").out


@pytest.mark.slow
def test_an_expert_is_measured_on_other_tasks_too(cli: Cli, tiny_suite: Path) -> None:
    everything = cli("evaluate", tiny_suite, "--expert", "task1", "--json").data["tasks"]
    alone = cli("evaluate", tiny_suite, "--expert", "task1", "--tasks", "task0", "--json").data["tasks"]
    assert alone == everything[:1]


@pytest.mark.slow
def test_similarity_agrees_with_the_checkpoints(cli: Cli, tiny_suite: Path) -> None:
    data = cli("similarity", tiny_suite, "--json").data
    base, *experts = (load_file(tiny_suite.parent / f"{name}.safetensors") for name in ("base", "task0", "task1"))
    first, second = (
        torch.cat([(expert[name] - base[name]).double().flatten() for name in sorted(expert)]) for expert in experts
    )
    assert data["cosine"][0][1] == pytest.approx(torch.cosine_similarity(first, second, 0).item(), abs=1e-6)
    assert data["norms"][0] == pytest.approx(first.norm().item(), rel=1e-6)
    differ = (first.sign() * second.sign() < 0).double().mean().item()
    assert data["sign_conflict"][0][1] == pytest.approx(differ, abs=1e-3)
    assert set(data["per_block"]) == {"embedding", "block 0", "block 1", "output"}
    text = cli("similarity", tiny_suite).out
    assert "block 1" in text
    assert "Norms" in text


def test_doctor_finds_a_missing_suite_and_an_unusable_home(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = home / "taken"
    taken.write_text("a file")
    monkeypatch.setenv("MERGESCOPE_HOME", str(taken / "below"))
    monkeypatch.setattr("core.cli.doctor.BUNDLED", "no-such-suite")
    answer = cli("doctor", "--json")
    assert answer.status == 1
    assert not answer.data["healthy"]
    wrong = {finding["name"] for finding in answer.data["findings"] if not finding["ok"]}
    assert wrong == {"home folder", "bundled suite"}
    assert cli("doctor").out.count("PROBLEM") == 2


def test_doctor_is_content_with_a_good_installation(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_suite(home / "suites")
    monkeypatch.setattr("core.cli.doctor.BUNDLED", "tiny")
    answer = cli("doctor", "--json")
    findings = {finding["name"]: finding["value"] for finding in answer.data["findings"]}
    assert answer.status == 0, findings
    assert findings["bundled suite"].startswith("intact: 3 experts")
    assert findings["home folder"].startswith(str(home))
    assert findings["precision chosen by auto"].split()[0] in ("float32", "bfloat16")
    assert findings["torch"] == torch.__version__.split("+")[0]


@pytest.mark.slow
def test_doctor_finds_the_bundled_suite_intact(cli: Cli) -> None:
    findings = {finding["name"]: finding for finding in cli("doctor", "--json").data["findings"]}
    assert findings["bundled suite"]["ok"], findings["bundled suite"]["value"]
    assert findings["bundled suite"]["value"].startswith("intact: 8 experts")
