"""Adapters in suites: several in one folder, both towers, each expert with its own ranks and targets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.checkpoints import identify, load_expert, open_checkpoint
from core.errors import BadCheckpoint
from core.problem.examine import check
from core.problem.findings import Code
from core.problem.heads import HeadBuilder
from core.suite.find import find
from core.suite.scan import scan
from tests.core.adapters import copied, filled, same, saved
from tests.core.suite_edits import opened, said
from tests.tiny import CLASSES, CONFIG, TEMPLATES, make_suite

pytestmark = pytest.mark.slow  # Importing peft takes seconds, which is also why it is done late.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_suite(tmp_path / "suite").parent


def base_of(folder: Path) -> open_clip.CLIP:
    model = open_clip.CLIP(**CONFIG)
    model.load_state_dict(load_file(folder / "base.safetensors"))
    return model


def with_adapter(folder: Path, task: int, **config: Any) -> open_clip.CLIP:
    """Make the expert of a task an adapter; return PEFT's merge."""
    said(folder, task, expert={"weights": f"adapter{task}"})
    return saved(folder / f"adapter{task}", base_of(folder), seed=task, **config)


def test_experts_may_have_different_ranks_and_targets(folder: Path) -> None:
    base = copied(base_of(folder), "visual.")
    merged = [
        with_adapter(folder, 0, r=2, target_modules=r"visual\..*attn"),
        with_adapter(folder, 1, r=8, target_modules=r"visual\..*c_fc", use_dora=True),
        with_adapter(folder, 2, target_modules=r"visual\..*c_proj", lora_alpha=3, use_rslora=True),
    ]
    vectors = opened(folder).task_vectors
    for name in vectors.names:
        for row, model in enumerate(merged):
            expected = copied(model, "visual.")[name] - base[name]
            torch.testing.assert_close(vectors.delta(name)[row], expected, rtol=1e-5, atol=1e-6)


def test_a_text_tower_that_is_adapted_makes_the_head_where_the_task_says_so(folder: Path, tmp_path: Path) -> None:
    merged = with_adapter(folder, 2, target_modules=["attn", "c_fc"])
    found = check(find(str(folder / "tiny.yaml")))
    assert not found.complaints
    assert [one.action for one in found.findings if one.code == Code.OWN_TEXT_TOWER] == [
        {"task": "task2", "set": {"head": "own"}}
    ]
    plain = opened(folder)
    said(folder, head="own")
    problem = opened(folder)
    save_file({name: tensor.contiguous() for name, tensor in copied(merged).items()}, tmp_path / "merged.safetensors")
    builder = HeadBuilder(find(str(folder / "tiny.yaml")).arch(), tmp_path / "merged.safetensors", "x", tmp_path)
    torch.testing.assert_close(problem.heads["task2"], builder.head(CLASSES, TEMPLATES), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(problem.heads["task2"], plain.heads["task2"], atol=1e-3)
    assert not check(find(str(folder / "tiny.yaml"))).complaints


def test_an_own_head_of_an_adapter_depends_on_the_base_too(folder: Path) -> None:
    with_adapter(folder, 2, target_modules=["c_fc"])
    said(folder, head="own")
    before = opened(folder).heads["task2"]
    base = load_file(folder / "base.safetensors")
    save_file(base | {"text_projection": base["text_projection"].flip(0)}, folder / "base.safetensors")
    assert not torch.allclose(opened(folder).heads["task2"], before, atol=1e-3)


def test_an_own_head_needs_an_adapted_text_tower(folder: Path) -> None:
    with_adapter(folder, 2, target_modules=r"visual\..*c_fc")
    said(folder, head="own")
    [complaint] = check(find(str(folder / "tiny.yaml"))).complaints
    assert (complaint.role, "should adapt the text tower" in complaint.message) == ("head of task2", True)


def test_a_trained_head_in_an_adapter_is_told(folder: Path) -> None:
    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual, self.classifier = base_of(folder).visual, torch.nn.Linear(16, len(CLASSES))

    said(folder, 2, expert={"weights": "adapter"})
    saved(folder / "adapter", Classifier(), target_modules=["c_fc"], modules_to_save=["classifier"])
    codes = [one.code for one in check(find(str(folder / "tiny.yaml"))).findings]
    assert Code.DROPPED_TRAINED_HEAD in codes
    assert any("classifier.weight" in warning for warning in identify(folder / "adapter").warnings)


@pytest.mark.parametrize("default", [False, True])
def test_several_adapters_in_one_folder_are_listed_and_chosen_by_path(default: bool, folder: Path) -> None:
    import peft

    config = peft.LoraConfig(target_modules=r"visual\..*c_fc", init_lora_weights=False)
    names = ["default", "red", "blue"] if default else ["red", "blue"]
    wrapped = peft.get_peft_model(base_of(folder), config, adapter_name=names[0])
    for name in names[1:]:
        wrapped.add_adapter(name, config)
    filled(wrapped).save_pretrained(folder / "adapters")
    base = copied(base_of(folder), "visual.")
    if default:
        assert any("`blue`, `red`" in warning for warning in identify(folder / "adapters").warnings)
    else:
        with pytest.raises(BadCheckpoint, match=r"`adapters` holds adapters in folders of their own: 'blue', 'red'"):
            open_checkpoint(folder / "adapters")
    found = [one.path.relative_to(folder).as_posix() for one in scan(folder).checkpoints if one.verdict]
    below = ["adapters/blue", "adapters/red"]
    assert [path for path in found if path.startswith("adapters")] == ["adapters"] * default + below
    chosen = load_expert(folder / "adapters" / "blue", base).tensors
    wrapped.set_adapter("blue")
    for name in set(names) - {"blue"}:
        wrapped.delete_adapter(name)
    same(chosen, copied(wrapped.merge_and_unload(), "visual."))


def test_a_folder_of_weights_hides_what_is_no_adapter_below_it(folder: Path) -> None:
    with_adapter(folder, 2, target_modules=r"visual\..*c_fc")
    shutil.copytree(folder / "adapter2", folder / "adapter2" / "run" / "deeper")
    (folder / "adapter2" / "run" / "other.pt").write_bytes(b"no weights")
    found = [one.path.relative_to(folder).as_posix() for one in scan(folder).checkpoints]
    assert [path for path in found if path.startswith("adapter")] == ["adapter2"]
