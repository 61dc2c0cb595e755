"""Bad input: exit status 2, exactly one clear line on standard error, nothing on standard output, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

Cli = Callable[..., Any]


@pytest.mark.grid
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "adamergin"], ["Unknown method `adamergin`", "adamerging", "ties"]),
        (["--tasks", "task0,cars"], ["Unknown task", "`cars`", "task1"]),
        (["--tasks", "task0,,task1"], ["--tasks", "commas"]),
        (["--tasks", "task0,task0"], ["--tasks", "different"]),
        (["--set", "stepz=5"], ["Unknown setting of adamerging `stepz`", "steps"]),
        (["--set", "steps"], ["--set steps=500", "`--set steps`"]),
        (["--set", "=5"], ["--set"]),
        (["--set", "steps=5", "--set", "steps=6"], ["`steps` twice"]),
        (["--set", "steps=-3"], ["`steps`", "greater than or equal to 1", "-3"]),
        (["--set", "steps=0"], ["`steps`", "0"]),
        (["--set", "steps=1e99"], ["`steps`", "1e99"]),
        (["--set", "steps=many"], ["`steps`", "integer", "many"]),
        (["--set", "lr=nan"], ["`lr`", "finite", "nan"]),
        (["--set", "lr=inf"], ["`lr`", "inf"]),
        (["--set", "lr=-1"], ["`lr`", "greater than 0", "-1"]),
        (["--set", "batch=99999999"], ["`batch`", "less than or equal", "99999999"]),
        (["--set", "group=layers"], ["`group`", "block", "layers"]),
        (["--set", "objective=accuracy"], ["`objective`", "entropy", "accuracy"]),
        (["--set", "fraction=0"], ["`fraction`", "greater than 0"]),
        (["--set", "fraction=2"], ["`fraction`", "2"]),
        (["--set", "adapt_on=training"], ["`adapt_on`", "held-out", "training"]),
        (["--method", "ties", "--set", "keep=-1"], ["`keep` of ties", "-1"]),
        (["--seed", "-1"], ["`seed`", "-1"]),
        (["--seed", "x"], ["`seed`", "integer", "'x'"]),
        (["--seed", "1", "--set", "seed=2"], ["seed", "once"]),
        (["--device", "abacus"], ["`device`", "abacus"]),
        (["--device", "cuda:99"], ["`device`", "cuda:99"]),
        (["--precision", "float3"], ["Unknown precision `float3`", "bfloat16"]),
        (["--memory", "disk"], ["Unknown memory `disk`", "mapped", "bfloat16"]),
        (["--memory", "int2"], ["Unknown memory `int2`", "int8", "int4"]),
        (["--out", "merged.pt"], ["--out", ".safetensors", "merged.pt"]),
        (["--out", "missing/merged.safetensors"], ["--out", "missing", "create"]),
        (["--report", "."], ["--report", "folder"]),
        (["--report", "missing/report.json"], ["--report", "missing"]),
        (["--method", "individual", "--out", "merged.safetensors"], ["--out", "individual"]),
        (["--out", "a.safetensors", "--report", "a.safetensors"], ["--out", "--report", "different"]),
        (["--bogus"], ["--bogus"]),
        (["--set"], ["--set"]),
        (["extra"], ["extra"]),
    ],
    ids=lambda value: "_".join(value) if value and value[0].startswith("-") else "",
)
def test_merge_refuses(
    cli: Cli,
    suite: Path,
    files: Callable[[], set[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = files()
    cli("merge", suite, *arguments).refused(*words)
    assert files() == before


@pytest.mark.slow
def test_an_output_where_nothing_can_be_written_is_refused_before_the_work(cli: Cli, suite: Path) -> None:
    # A folder that exists but takes no files, even from root.
    cli("merge", suite, "--report", "/proc/report.json").refused("--report", "/proc/report.json")
    cli("merge", suite, "--out", "/dev/null").refused("--out", "/dev/null")
    cli("merge", suite, "--report", "/dev/full").refused("--report", "device")
    cli("merge", suite, "--runs", "/proc/runs").refused("--runs", "/proc/runs")


def test_a_store_folder_that_is_a_file_is_refused(cli: Cli, suite: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    cli("merge", suite, "--runs", taken).refused("--runs", "taken")
    cli("merge", suite, "--runs", taken / "below").refused("--runs", "taken")
    cli("compare", suite, "--methods", "all", "--runs", taken).refused("--runs", "taken")
    assert taken.read_text() == "mine"


def test_an_earlier_output_survives_bad_input(cli: Cli, suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged.safetensors"
    out.write_text("earlier")
    (suite.parent / "task1.safetensors").unlink()
    cli("merge", suite, "--out", out).refused("task1")
    assert out.read_text() == "earlier"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", ["broken.yaml", "line 1"]),
        ("", ["broken.yaml"]),
        ("name: x\nname: y\n", ["line ", "name", "more than once"]),
        ("name: x\nsurprise: 1\n", ["broken.yaml", "line 2", "surprise"]),
        ("name: ../../x\n", ["line 1", "name"]),
    ],
)
def test_a_bad_suite_file_names_the_line(cli: Cli, tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    cli("merge", path).refused(*words)
    cli("tasks", path).refused(*words)


@pytest.mark.grid
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["command"]),
        (["frobnicate"], ["frobnicate"]),
        (["merge"], ["SUITE"]),
        (["merge", "no-such-suite"], ["Unknown suite `no-such-suite`", ".yaml"]),
        (["merge", "missing.yaml"], ["missing.yaml"]),
        (["evaluate", "missing.yaml"], ["missing.yaml"]),
        (["compare", "missing.yaml"], ["--methods"]),
        (["methods", "adamergin"], ["Unknown method `adamergin`"]),
        (["tasks", "no-such-suite"], ["Unknown suite"]),
        (["inspect", "missing.safetensors"], ["missing.safetensors"]),
        (["runs"], ["command"]),
        (["runs", "show", "0123456789ab"], ["Unknown run `0123456789ab`"]),
        (["runs", "show", "../../etc/passwd"], ["run", "passwd"]),
        (["runs", "resume", "0123456789ab"], ["Unknown run"]),
        (["runs", "export", "0123456789ab"], ["Unknown run"]),
        (["runs", "delete", "0123456789ab"], ["Unknown run"]),
        (["ui", "--port", "123456"], ["--port", "65535", "123456"]),
        (["ui", "--port", "-1"], ["--port", "-1"]),
        (["ui", "--port", "http"], ["--port", "http"]),
    ],
    ids=" ".join,
)
def test_commands_refuse(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cli(*arguments).refused(*words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.grid
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--expert", "cars"], ["Unknown expert", "cars", "task0"]),
        (["--expert", "task0", "--base"], ["--expert", "--base"]),
        (["--weights", "missing.safetensors"], ["missing.safetensors"]),
        (["--weights", "SUITE/config.json"], ["config.json"]),
        (["--weights", "SUITE/task0.npz"], ["task0.npz"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("-") else "",
)
def test_evaluate_refuses(cli: Cli, suite: Path, arguments: list[str], words: list[str]) -> None:
    cli("evaluate", suite, *(a.replace("SUITE", str(suite.parent)) for a in arguments)).refused(*words)


@pytest.mark.slow
def test_evaluate_refuses_weights_of_another_shape(cli: Cli, suite: Path, tmp_path: Path) -> None:
    tensors = load_file(suite.parent / "task0.safetensors")
    tensors["visual.proj"] = torch.zeros(32, 8)
    save_file(tensors, tmp_path / "foreign.safetensors")
    cli("evaluate", suite, "--weights", tmp_path / "foreign.safetensors").refused("foreign", "proj", "[32, 8]")


@pytest.mark.slow
def test_compare_refuses_unknown_names_before_anything_runs(cli: Cli, suite: Path, home: Path) -> None:
    cli("compare", suite, "--methods", "average,adamergin").refused("adamergin")
    cli("compare", suite, "--methods", "average,ties", "--set", "lr=1").refused("lr", "keep")
    cli("compare", suite, "--methods", "").refused("--methods")
    assert not (home / "runs").exists()


def test_control_characters_do_not_reach_the_terminal(cli: Cli, suite: Path) -> None:
    answer = cli("merge", suite, "--method", "evil\x1b[2J\nsecond line")
    answer.refused("evil", "second line")
    assert "\x1b" not in answer.err
