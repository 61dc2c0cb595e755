"""Merged classifiers go back where they came from: their library loads them by the lines on the card; and as ONNX."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import transformers
from PIL import Image

from core.problem.loading import load
from core.problem.merged import merge
from core.problem.problem import Problem
from core.suite.find import find
from tests.core.classifier_suites import HUGGING_FACE, KINDS, TASKS, make_classifiers

Cli = Callable[..., Any]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Whose classifiers they are."""
    return str(request.param)


@pytest.fixture(scope="module")
def suite(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite file."""
    return make_classifiers(tmp_path_factory.mktemp("suite"), kind)


def lines_of(folder: Path) -> str:
    """The only Python on the card of an exported folder."""
    [lines] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.DOTALL)
    return str(lines)


def run_of(told: str) -> str:
    """The id of the run that a command has told of."""
    found = re.search(r"^Run (\w{12});", told, re.MULTILINE)
    assert found
    return found[1]


def expected(problem: Problem, task: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Prepared images of a task and the merged model's logits by the project's own arithmetic."""
    images, shares = problem.images(task)[:5], dict.fromkeys(problem.tasks, 1 / len(problem.tasks))
    return problem.encoder.prepare(images), problem.logits(merge(problem.task_vectors, shares), task, images)


def test_the_lines_on_the_card_load_each_task_s_model(
    cli: Cli, kind: str, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "merged"
    answer = cli("merge", suite, "--method", "average", "--precision", "float32", "--out", folder)
    assert answer.status == 0, answer.err
    again = cli("evaluate", suite, "--weights", folder, "--precision", "float32", "--json").data
    shown = cli("runs", "show", run_of(answer.out), "--json").data["report"]
    assert [task["accuracy"] for task in again["tasks"]] == [task["accuracy"] for task in shown["tasks"]]
    problem = load(find(str(suite)), device="cpu", precision="float32")
    monkeypatch.chdir(folder)
    for task, classes in TASKS.items():
        found: dict[str, Any] = {}
        exec(lines_of(folder).replace("heads/a.", f"heads/{task}."), found)
        images, logits = expected(problem, task)
        model = found.get("logits", found["model"])
        with torch.no_grad():
            theirs = model(images)
        torch.testing.assert_close(getattr(theirs, "logits", theirs), logits, rtol=1e-5, atol=1e-5)
        said = json.loads((folder / "heads" / f"{task}.json").read_text())
        assert said.get("label_names", [*said.get("id2label", {}).values()]) == list(classes)
    if kind in HUGGING_FACE:
        picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        processor = transformers.AutoImageProcessor.from_pretrained(".")
        assert processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"].shape == images[:1].shape


def test_onnx_gives_the_logits_of_all_tasks(cli: Cli, suite: Path, tmp_path: Path) -> None:
    folder = tmp_path / "merged"
    answer = cli("merge", suite, "--method", "average", "--format", "onnx", "--out", folder)
    assert answer.status == 0, answer.err
    agrees_as_onnx(load(find(str(suite)), device="cpu", precision="float32"), folder)


def agrees_as_onnx(problem: Problem, folder: Path) -> None:
    """Runs the lines on the card in `folder` for each task of the problem."""
    first = next(iter(problem.heads))
    for task in problem.heads:
        images, logits = expected(problem, task)
        lines = lines_of(folder).replace(f'["{first}"]', f'["{task}"]').replace('"model.onnx"', "path")
        for count in (len(images), 1):
            found: dict[str, Any] = {"images": images[:count].numpy(), "path": folder / "model.onnx"}
            exec(lines, found)
            np.testing.assert_allclose(found["logits"], logits[:count].numpy(), rtol=1e-4, atol=1e-4)
    described = onnxruntime.InferenceSession(folder / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(described["classes"]) == {task: list(names) for task, names in problem.classes.items()}
