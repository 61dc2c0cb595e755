"""Bad input: exit status 2, exactly one clear line on standard error, nothing on standard output, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny import make_suite

Cli = Callable[..., Any]


def refused(answer: Any, *words: str) -> None:
    """Assert what every refusal has in common, and that the line holds `words`."""
    assert answer.status == 2, answer.err
    assert answer.out == ""
    lines = answer.err.splitlines()
    assert len(lines) == 1, answer.err
    for word in words:
        assert word in lines[0]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """An own suite that a test may damage."""
    return make_suite(tmp_path / "suite")


@pytest.fixture
def files(tmp_path: Path, home: Path) -> Callable[[], set[Path]]:
    """Lists all files of the test outside the suite; the cache does not count as written."""

    def found() -> set[Path]:
        everything = {path for root in (tmp_path, home) for path in root.rglob("*") if path.is_file()}
        return {path for path in everything if "cache" not in path.parts and "suite" not in path.parts}

    return found


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
    refused(cli("merge", suite, *arguments), *words)
    assert files() == before


def test_an_output_where_nothing_can_be_written_is_refused_before_the_work(cli: Cli, suite: Path) -> None:
    # A folder that exists but takes no files, even from root.
    refused(cli("merge", suite, "--report", "/proc/report.json"), "--report", "/proc/report.json")
    refused(cli("merge", suite, "--out", "/dev/null"), "--out", "/dev/null")
    refused(cli("merge", suite, "--report", "/dev/full"), "--report", "device")
    refused(cli("merge", suite, "--runs", "/proc/runs"), "--runs", "/proc/runs")


def test_a_store_folder_that_is_a_file_is_refused(cli: Cli, suite: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    refused(cli("merge", suite, "--runs", taken), "--runs", "taken")
    refused(cli("merge", suite, "--runs", taken / "below"), "--runs", "taken")
    refused(cli("compare", suite, "--methods", "all", "--runs", taken), "--runs", "taken")
    assert taken.read_text() == "mine"


def test_an_earlier_output_survives_bad_input(cli: Cli, suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged.safetensors"
    out.write_text("earlier")
    (suite.parent / "task1.safetensors").unlink()
    refused(cli("merge", suite, "--out", out), "task1")
    assert out.read_text() == "earlier"


@pytest.mark.parametrize("name", ["base.safetensors", "task1.safetensors"])
def test_a_file_of_the_suite_is_never_overwritten(cli: Cli, suite: Path, name: str) -> None:
    file = suite.parent / name
    before = file.read_bytes()
    refused(cli("merge", suite, "--method", "average", "--out", file), "--out", name, "suite tiny")
    refused(cli("merge", suite, "--method", "average", "--report", suite), "--report", "tiny.yaml")
    assert file.read_bytes() == before


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _pickle(path: Path) -> None:
    torch.save({"visual.proj": torch.zeros(2)}, path)


def _text(path: Path) -> None:
    path.write_text("<html>404 Not Found</html>")


def _change(**changes: torch.Tensor | None) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        tensors = load_file(path)
        for name, tensor in changes.items():
            if tensor is None:
                del tensors[f"visual.{name}"]
            else:
                tensors[f"visual.{name}"] = tensor
        save_file(tensors, path)

    return change


def _as_base(path: Path) -> None:
    path.write_bytes((path.parent / "base.safetensors").read_bytes())


def _as_other(path: Path) -> None:
    path.write_bytes((path.parent / "task0.safetensors").read_bytes())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, ["task1.safetensors", "not there"]),
        (_truncate, ["task1.safetensors", "truncated"]),
        (_empty, ["task1.safetensors"]),
        (_text, ["task1.safetensors", "safetensors"]),
        (_pickle, ["task1.safetensors", "pickle"]),
        (_change(proj=None), ["proj is missing"]),
        (_change(proj=torch.zeros(3, 3)), ["proj", "[32, 16]", "[3, 3]"]),
        (_change(extra=torch.zeros(1)), ["extra is unexpected"]),
        (_change(proj=torch.full((32, 16), torch.nan)), ["visual.proj", "NaN"]),
        (_change(proj=torch.full((32, 16), torch.inf)), ["visual.proj", "infinite"]),
        (_change(proj=torch.zeros(32, 16, dtype=torch.float16)), ["proj", "float32", "float16"]),
        (_as_base, ["task1", "equals the base"]),
        (_as_other, ["task0", "task1", "same"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("command", ["merge", "evaluate", "similarity"])
def test_a_bad_expert_is_named(
    cli: Cli,
    suite: Path,
    files: Callable[[], set[Path]],
    damage: Callable[[Path], None],
    words: list[str],
    command: str,
) -> None:
    damage(suite.parent / "task1.safetensors")
    before = files()
    refused(cli(command, suite), *words)
    assert files() == before


def test_a_bad_base_is_named(cli: Cli, suite: Path) -> None:
    _change(**{"conv1.weight": None})(suite.parent / "base.safetensors")
    refused(cli("merge", suite), "base.safetensors", "conv1.weight is missing")
    _truncate(suite.parent / "base.safetensors")
    refused(cli("merge", suite), "base.safetensors", "truncated")


def test_bad_images_are_named(cli: Cli, suite: Path) -> None:
    data = suite.parent / "task1.npz"
    arrays = dict(np.load(data))
    np.savez(data, **arrays | {"test_labels": arrays["test_labels"] + 40})
    refused(cli("merge", suite, "--method", "average"), "task1", "label")
    np.savez(data, **arrays | {"test_images": arrays["test_images"][:0], "test_labels": arrays["test_labels"][:0]})
    refused(cli("merge", suite, "--method", "average"), "task1")
    _truncate(data)
    refused(cli("merge", suite, "--method", "average"), "task1.npz")


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
    refused(cli("merge", path), *words)
    refused(cli("tasks", path), *words)


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
    refused(cli(*arguments), *words)
    assert list(tmp_path.iterdir()) == []


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
    refused(cli("evaluate", suite, *(a.replace("SUITE", str(suite.parent)) for a in arguments)), *words)


def test_evaluate_refuses_weights_of_another_shape(cli: Cli, suite: Path, tmp_path: Path) -> None:
    tensors = load_file(suite.parent / "task0.safetensors")
    tensors["visual.proj"] = torch.zeros(32, 8)
    save_file(tensors, tmp_path / "foreign.safetensors")
    refused(cli("evaluate", suite, "--weights", tmp_path / "foreign.safetensors"), "foreign", "proj", "[32, 8]")


def test_compare_refuses_unknown_names_before_anything_runs(cli: Cli, suite: Path, home: Path) -> None:
    refused(cli("compare", suite, "--methods", "average,adamergin"), "adamergin")
    refused(cli("compare", suite, "--methods", "average,ties", "--set", "lr=1"), "lr", "keep")
    refused(cli("compare", suite, "--methods", ""), "--methods")
    assert not (home / "runs").exists()


def test_control_characters_do_not_reach_the_terminal(cli: Cli, suite: Path) -> None:
    answer = cli("merge", suite, "--method", "evil\x1b[2J\nsecond line")
    refused(answer, "evil", "second line")
    assert "\x1b" not in answer.err
