"""Suites of real layouts: the authors' folder of pickles is merged, and `check` lists all problems at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from core.errors import BadCheckpoint, BadInput
from core.problem.examine import check
from core.problem.loading import load
from core.problem.validation import BadFiles
from core.suite.find import find
from tests.core.checkpoint_files import save
from tests.tiny import make_suite

Cli = Callable[..., Any]


def edit(suite: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a suite file."""
    described = yaml.safe_load(suite.read_text())
    change(described)
    suite.write_text(yaml.safe_dump(described, sort_keys=False))


@pytest.fixture
def authors(suite: Path) -> Path:
    """The tiny suite as `zeroshot.pt`, `task0/finetuned.pt`, `head_task0.pt`: no text tower, keys after `model.`."""
    folder = suite.parent
    base = load_file(folder / "base.safetensors")
    parts = ("visual.", "positional_embedding", "text_projection", "logit_scale", "token_embedding", "ln_final")
    left = {name: x for name, x in base.items() if name.startswith(parts)}
    save({f"model.{name}": x for name, x in left.items()}, folder / "zeroshot.pt", "legacy")
    described = yaml.safe_load(suite.read_text())
    described["base"]["weights"] = "zeroshot.pt"
    for number, task in enumerate(described["tasks"]):
        name = task["name"]
        (folder / name).mkdir()
        tower = load_file(folder / f"{name}.safetensors")
        layout = ("zip", "legacy")[number % 2]
        save({f"model.{key}": x for key, x in (left | tower).items()}, folder / name / "finetuned.pt", layout)
        head = torch.nn.Linear(16, 4, bias=False)
        save(head.state_dict(), folder / f"head_{name}.pt", layout)
        task["expert"]["weights"], task["head"] = f"{name}/finetuned.pt", f"head_{name}.pt"
    path = folder / "authors.yaml"
    path.write_text(yaml.safe_dump(described, sort_keys=False))
    return path


@pytest.mark.slow
def test_the_authors_layout_merges_to_the_same_task_vectors(authors: Path, suite: Path, cli: Cli) -> None:
    assert check(find(str(authors))) == ([], ())
    how: dict[str, Any] = {"device": "cpu", "precision": "float32", "micro_batch": 64}
    ours, plain = load(find(str(authors)), **how), load(find(str(suite)), **how)
    assert torch.equal(ours.task_vectors.deltas, plain.task_vectors.deltas)
    assert ours.heads["task0"].shape == (4, 16)
    assert not torch.equal(ours.heads["task0"], plain.heads["task0"])
    report = cli("merge", authors, "--method", "task_arithmetic", "--json").data
    assert len(report["tasks"]) == 3


def test_without_heads_a_base_without_text_tower_is_told_so(authors: Path) -> None:
    edit(authors, lambda d: d["tasks"][0].pop("head"))
    [complaint] = check(find(str(authors))).complaints
    assert "no text tower" in complaint.message
    assert "`head`" in complaint.message


@pytest.mark.slow
def test_a_head_of_other_classes_is_named(authors: Path) -> None:
    save({"weight": torch.ones(5, 16)}, authors.parent / "head_task1.pt")
    with pytest.raises(BadCheckpoint, match=r"head_task1\.pt.*\[4, 16\].*Found `weight` \[5, 16\]"):
        load(find(str(authors)), device="cpu", precision="float32", micro_batch=64)
    [complaint] = check(find(str(authors))).complaints
    assert complaint.role == "head of task1"


@pytest.fixture
def spoiled(suite: Path) -> Path:
    """A suite in which every expert has something else wrong with it."""
    folder = suite.parent
    one = load_file(folder / "task0.safetensors")
    one["visual.proj"] = torch.full_like(one["visual.proj"], torch.nan)
    one["visual.extra"] = torch.ones(1)
    del one["visual.ln_post.bias"]
    save_file(one, folder / "task0.safetensors")
    base = load_file(folder / "base.safetensors")
    save_file({name: x for name, x in base.items() if name.startswith("visual.")}, folder / "task1.safetensors")
    (folder / "task2.safetensors").write_bytes(b"")
    return suite


@pytest.mark.slow
def test_all_problems_of_a_suite_stand_in_one_table(spoiled: Path, cli: Cli) -> None:
    answer = cli("check", spoiled)
    assert answer.status == 2
    for words in (
        "ln_post.bias",
        "missing",
        "extra",
        "unexpected",
        "proj",
        "NaN or infinity",
        "equals the base",
        "empty",
    ):
        assert words in " ".join(answer.out.split())
    data = cli("check", spoiled, "--json").data
    roles = [problem["role"] for problem in data["problems"]]
    assert roles == ["expert of task0", "expert of task0", "expert of task1", "expert of task2"]
    tensors = [row["problem"] for problem in data["problems"] for row in problem["tensors"]]
    assert tensors == ["missing", "unexpected", "NaN or infinity"]


@pytest.mark.slow
def test_merging_tells_of_all_of_them_in_one_line(spoiled: Path, cli: Cli) -> None:
    with pytest.raises(BadFiles) as caught:
        load(find(str(spoiled)), device="cpu", precision="float32", micro_batch=64)
    assert len(caught.value.complaints) == 4
    cli("merge", spoiled, "--method", "average").refused("`check` lists everything", "task0.safetensors")


@pytest.mark.slow
def test_a_sound_suite_has_nothing_to_complain_of(suite: Path, cli: Cli) -> None:
    assert cli("check", suite).status == 0
    assert cli("check", suite, "--json").data == {"suite": "tiny", "problems": [], "findings": []}


def test_the_activation_of_the_architecture_has_to_be_the_checkpoint_s(suite: Path) -> None:
    """A folder of Hugging Face says that it was trained with QuickGELU; the tiny configuration computes GELU."""
    from tests.core.checkpoint_files import hugging_face

    hugging_face("CLIPVisionModel").save_pretrained(suite.parent / "expert")
    edit(suite, lambda d: d["tasks"][1]["expert"].update(weights="expert"))
    [complaint] = check(find(str(suite))).complaints
    assert "trained with QuickGELU" in complaint.message
    assert "`quick_gelu: true`" in complaint.message


def test_a_suite_without_experts_is_a_problem_in_check_as_in_merge(tmp_path: Path) -> None:
    suite = make_suite(tmp_path)
    described = yaml.safe_load(suite.read_text())
    for task in described["tasks"]:
        del task["expert"]
    suite.write_text(yaml.safe_dump(described))
    [complaint] = check(find(str(suite))).complaints
    with pytest.raises(BadInput, match=re.escape(complaint.message)):
        load(find(str(suite)), device="cpu")
