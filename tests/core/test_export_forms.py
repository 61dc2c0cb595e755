"""Which formats a suite's model can be written in, as a file or a folder, and what is refused before any work."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from safetensors.torch import load_file, save_file

from core.export import forms
from core.paths import runs_folder
from core.problem.loading import load
from core.problem.problem import Problem
from core.runs import model
from core.store import Store
from core.suite.find import find
from tests.core.classifier_suites import make_classifiers
from tests.core.test_export_classifiers import agrees_as_onnx, run_of

Cli = Callable[..., Any]
pytestmark = pytest.mark.slow


@pytest.fixture
def classifiers(tmp_path: Path) -> Path:
    """A suite of timm's."""
    return make_classifiers(tmp_path / "suite", "timm")


def average(cli: Cli, suite: Path, *more: object) -> str:
    """The id of a run that averages the experts."""
    answer = cli("merge", suite, "--method", "average", "--precision", "float32", *more)
    assert answer.status == 0, answer.err
    return run_of(answer.out)


def test_the_stored_file_holds_the_encoder_and_nothing_of_the_base_s_file(cli: Cli, classifiers: Path) -> None:
    run = average(cli, classifiers)
    with Store.open(runs_folder()) as store:
        stored, problem = load_file(store.kept(run, model.MERGED)), load(find(str(classifiers)), device="cpu")
        assert {name.removeprefix("visual.") for name in stored} == set(problem.task_vectors.base)
        assert all(name.startswith("visual.") for name in stored)
        model.complete(store, store.run(run), problem)  # As for a run that another machine has carried out.
        again = load_file(store.kept(run, model.MERGED))
        assert again.keys() == stored.keys()
        assert all(torch.equal(again[name], tensor) for name, tensor in stored.items())


def test_a_classifier_is_exported_as_it_came_unless_told_otherwise(
    cli: Cli, classifiers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = average(cli, classifiers)
    (out := tmp_path / "out").mkdir()
    monkeypatch.chdir(out)
    assert cli("runs", "export", run).status == 0
    folder = out / f"merged-{run}"
    assert timm.create_model(f"local-dir:{folder}", pretrained=True).num_classes == 4
    assert "pipeline_tag: image-classification" in (folder / "README.md").read_text("utf-8")
    assert cli("runs", "export", run, "--out", "alone.safetensors").out.endswith("with the head of a\n")
    whole, alone = load_file(folder / "model.safetensors"), load_file("alone.safetensors")
    assert all(torch.equal(whole[name], alone[name]) for name in whole | alone)
    assert cli("runs", "export", run, "--format", "onnx", "--out", "alone.onnx").status == 0
    assert {path.name for path in out.iterdir()} == {folder.name, "alone.safetensors", "alone.onnx"}
    # The store's file is made again where it is damaged.
    [stored] = runs_folder().rglob("merged.safetensors")
    os.truncate(stored, 1000)
    assert cli("runs", "export", run, "--out", "again.safetensors").status == 0
    assert load_file("again.safetensors").keys() == alone.keys()


@pytest.mark.parametrize("form", ["hf", "open_clip"])
def test_a_format_of_clip_is_refused_for_classifiers_before_any_work(
    form: str, cli: Cli, classifiers: Path, tmp_path: Path
) -> None:
    cli("merge", classifiers, "--format", form, "--out", tmp_path / "x").refused("--format native")
    assert cli("runs", "list", "--json").data["runs"] == []


def test_a_format_without_a_place_is_refused(cli: Cli, tiny_suite: Path) -> None:
    cli("merge", tiny_suite, "--format", "onnx").refused("--out PATH")


def test_onnx_of_clip_has_the_zero_shot_heads(cli: Cli, tiny_suite: Path, problem32: Problem, tmp_path: Path) -> None:
    run = average(cli, tiny_suite)
    assert cli("runs", "export", run, "--format", "onnx", "--out", tmp_path / "merged").status == 0
    agrees_as_onnx(problem32, tmp_path / "merged")


def test_without_the_extra_one_line_says_what_to_install(
    cli: Cli, tiny_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "find_spec", lambda name: None if name == "onnxscript" else find_spec(name))
    answer = cli("merge", tiny_suite, "--format", "onnx", "--out", tmp_path / "x.onnx")
    assert (answer.status, len(answer.err.splitlines())) == (2, 1)
    assert "pip install -e '.[onnx]'" in answer.err


def test_a_head_from_a_changed_expert_is_not_taken(cli: Cli, classifiers: Path, tmp_path: Path) -> None:
    run = average(cli, classifiers)
    file = classifiers.parent / "b" / "model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(file).items()}, file)
    cli("runs", "export", run, "--out", tmp_path / "merged").refused("expert of `b`")
    assert not (tmp_path / "merged").exists()


def test_a_head_without_a_bias_has_one_of_zero_where_the_library_has_one(
    cli: Cli, classifiers: Path, tmp_path: Path
) -> None:
    entry = yaml.safe_load(classifiers.read_text())
    save_file({"weight": torch.ones(3, 192)}, classifiers.parent / "own.safetensors")
    entry["tasks"][1]["head"] = "own.safetensors"
    classifiers.write_text(yaml.safe_dump(entry))
    average(cli, classifiers, "--out", tmp_path / "merged")
    head = load_file(tmp_path / "merged" / "heads" / "b.safetensors")
    assert head["head.weight"].equal(torch.ones(3, 192))
    assert head["head.bias"].equal(torch.zeros(3))
