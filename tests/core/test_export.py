"""What leaves Mergescope: whole files or none, loadable elsewhere, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import safe_open

from core import methods
from core.encoders.preprocessing import normalise
from core.errors import BadCheckpoint, BadInput
from core.export.coefficients import export_coefficients
from core.export.weights import export_model, metadata
from core.problem.merged import merge
from core.problem.method import Outcome
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.store import CannotWrite, RunRecord, StepRecord, Store
from tests.tiny import CONFIG

RECORD = RunRecord("a" * 12, "done", suite="tiny", method="adamerging", tasks=("task0", "=cmd"), groups=("-g", "h"))
STEPS = [
    StepRecord(n, {}, {}, 0.0, 0, np.array([[n, -0.3], [0.1, 1 / 3]], np.float32) if n != 1 else None) for n in range(3)
]


@pytest.fixture
def outcome(problem32: Problem) -> Outcome:
    return Outcome.of(merge(problem32.task_vectors, dict.fromkeys(problem32.tasks, 0.4)))


def base_of(suite: Path) -> Path:
    return suite.parent / "base.safetensors"


def test_the_exported_model_gives_the_same_answers_in_plain_open_clip(
    problem32: Problem, outcome: Outcome, tiny_suite: Path, tmp_path: Path
) -> None:
    path = tmp_path / "merged.safetensors"
    export_model(problem32, outcome, path, {}, base_of(tiny_suite))
    model = open_clip.CLIP(**CONFIG)
    model.load_state_dict(safetensors.torch.load_file(path), strict=True)
    images = problem32.images("task1")[:8]
    with torch.no_grad():
        features = model.eval().encode_image(normalise(problem32.encoder.arch, images), normalize=True)
    ours = problem32.logits(outcome.weights_for("task1"), "task1", images)
    torch.testing.assert_close(features @ problem32.heads["task1"].T, ours, rtol=1e-4, atol=1e-4)
    base = safetensors.torch.load_file(base_of(tiny_suite))
    written = safetensors.torch.load_file(path)
    assert all(torch.equal(written[name], base[name]) for name in base if not name.startswith("visual."))
    assert not torch.equal(written["visual.proj"], base["visual.proj"])


def test_a_run_leaves_a_model_that_says_where_it_comes_from(
    problem32: Problem, tiny_suite: Path, tmp_path: Path
) -> None:
    method = methods.get("adamerging")
    settings = method.Settings(steps=2, batch=4)
    with Store.open(tmp_path) as store:
        run_id = RunSpec.of(problem32, method, settings, origin=str(tiny_suite)).create(store)
        runner.execute(store, run_id, problem32, RunSpec.of(problem32, method, settings))
        path = store.artefact(run_id, "merged.safetensors")
        with safe_open(path, "np") as file:
            found, names = file.metadata(), set(file.keys())
    assert (found["suite"], found["method"], found["run"], found["seed"]) == ("tiny", "adamerging", run_id, "0")
    assert json.loads(found["settings"]) == settings.model_dump(mode="json")
    assert json.loads(found["hashes"]) == dict(problem32.hashes)
    assert json.loads(found["tasks"]) == ["task0", "task1", "task2"]
    assert names == set(safetensors.torch.load_file(base_of(tiny_suite)))


def test_without_its_base_file_the_image_encoder_is_exported(
    problem32: Problem, outcome: Outcome, tmp_path: Path
) -> None:
    export_model(problem32, outcome, tmp_path / "m.safetensors", {"a": "b"})
    written = safetensors.torch.load_file(tmp_path / "m.safetensors")
    assert set(written) == {f"visual.{name}" for name in problem32.task_vectors.base}
    assert all(tensor.dtype == torch.float32 for tensor in written.values())


def test_an_exchanged_base_file_is_refused(
    problem32: Problem, outcome: Outcome, tiny_suite: Path, tmp_path: Path
) -> None:
    other = dataclasses.replace(problem32, hashes={**problem32.hashes, "base": "0" * 64})
    with pytest.raises(BadCheckpoint, match="changed"):
        export_model(other, outcome, tmp_path / "m.safetensors", {}, base_of(tiny_suite))
    assert list(tmp_path.iterdir()) == []


def test_models_of_several_tasks_and_other_formats_are_refused(
    problem32: Problem, outcome: Outcome, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="one model per task"):
        export_model(problem32, dataclasses.replace(outcome, single=False), tmp_path / "m.safetensors", {})
    with pytest.raises(BadInput, match="safetensors"):
        export_model(problem32, outcome, tmp_path / "m.pt", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", ["write", "fsync", "replace"])
def test_an_export_that_fails_leaves_the_previous_one(
    problem32: Problem, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"previous")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    target = {"write": (safetensors.torch, "save_file"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[failure]
    monkeypatch.setattr(*target, fail)
    with pytest.raises(CannotWrite, match=r"m\.safetensors failed: the disk is full\. Free some space\.") as caught:
        export_model(problem32, outcome, path, {})
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("m.safetensors", b"previous")]


def test_a_folder_that_is_not_there_is_one_clear_line(problem32: Problem, outcome: Outcome, tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="folder is gone"):
        export_model(problem32, outcome, tmp_path / "none" / "m.safetensors", {})


def test_coefficients_as_csv_are_exact_and_start_no_formula(tmp_path: Path) -> None:
    export_coefficients(RECORD, STEPS, tmp_path / "l.csv")
    with (tmp_path / "l.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["step", "group", "task0", "'=cmd"]
    assert [row[:2] for row in rows[1:]] == [["0", "'-g"], ["0", "h"], ["2", "'-g"], ["2", "h"]]
    values = np.array([[float(cell) for cell in row[2:]] for row in rows[1:]], np.float32).reshape(2, 2, 2)
    assert rows[1][3].startswith("-0.3")
    assert np.array_equal(values, np.stack([STEPS[0].coefficients, STEPS[2].coefficients]))  # type: ignore[arg-type, list-item]


def test_coefficients_as_json_and_safetensors_are_exact(tmp_path: Path) -> None:
    expected = np.stack([STEPS[0].coefficients, STEPS[2].coefficients])  # type: ignore[arg-type, list-item]
    export_coefficients(RECORD, STEPS, tmp_path / "l.json")
    found = json.loads((tmp_path / "l.json").read_text("utf-8"))
    assert (found["groups"], found["tasks"], found["steps"]) == (["-g", "h"], ["task0", "=cmd"], [0, 2])
    assert np.array_equal(np.array(found["values"], np.float32), expected)
    export_coefficients(RECORD, STEPS, tmp_path / "l.safetensors")
    arrays = safetensors.numpy.load_file(tmp_path / "l.safetensors")
    assert np.array_equal(arrays["coefficients"], expected)
    assert arrays["steps"].tolist() == [0, 2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "json", "safetensors"])
def test_a_long_run_is_written_in_the_memory_of_a_short_one(tmp_path: Path, kind: str) -> None:
    values, record = np.full((2, 20), 0.3, np.float32), dataclasses.replace(RECORD, tasks=tuple(map(str, range(20))))

    def most(count: int) -> int:
        tracemalloc.start()
        steps = (StepRecord(number, {}, {}, 0.0, 0, values.copy()) for number in range(count))
        export_coefficients(record, steps, tmp_path / f"l.{kind}")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(10)
    more = most(4000) - most(500)
    assert more < 3500 * 100  # The numbers of the steps; λ of a step is 160 bytes, and as text many more.


def test_runs_without_coefficients_and_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no coefficients"):
        export_coefficients(RECORD, STEPS[1:2], tmp_path / "l.csv")
    with pytest.raises(BadInput, match=r"\.json, \.csv or \.safetensors"):
        export_coefficients(RECORD, STEPS, tmp_path / "l.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_metadata_is_text_only() -> None:
    assert all(isinstance(value, str) for value in metadata(RECORD).values())
