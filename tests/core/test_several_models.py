"""Several models in one file, as training with an average or a teacher leaves them: listed, and chosen by name."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from core.checkpoints import Kind, SeveralModels, identify, load_checkpoint, load_expert, open_checkpoint, trained_head
from core.cli.app import app
from core.errors import BadCheckpoint, BadSuite
from core.problem.examine import check
from core.suite.find import find
from core.suite.scan import scan, suggest
from tests.core.checkpoint_files import clip, equal, save
from tests.core.suite_edits import opened, said
from tests.tiny import make_suite


def state(seed: int) -> dict[str, Tensor]:
    return {name: x.clone() for name, x in clip(seed).state_dict().items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: x for name, x in tensors.items()}


def training(**models: Any) -> dict[str, Any]:
    """What a training script saves around its models."""
    optimiser = torch.optim.AdamW(clip().parameters())
    sum(p.sum() for p in optimiser.param_groups[0]["params"]).backward()
    optimiser.step()
    args = types.SimpleNamespace(lr=1e-3, device=torch.device("cpu"))
    extra = {
        "epoch": 3,
        "args": args,
        "options": args,
        "device": torch.device("cpu"),
        "optimizer": optimiser.state_dict(),
        "callbacks": {"best": {"score": torch.tensor(0.5)}},
    }
    return models | extra


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_entries_of_a_dictionary_are_listed_and_chosen_by_key(layout: str, tmp_path: Path) -> None:
    path = save(training(model=state(1), model_ema=state(2)), tmp_path / "a.pth", layout)
    with pytest.raises(
        SeveralModels, match=r"under `model\.`, `model_ema\.` \(\d+ and \d+ tensors\).*`key: model`"
    ) as told:
        load_checkpoint(path)
    assert told.value.choices == ("model.", "model_ema.")
    for number, choice in ((1, "model."), (2, "model_ema."), (2, "model_ema")):
        assert equal(load_checkpoint(path, inside=choice).tensors, state(number))
    assert "\n" not in str(told.value)


def test_prefixes_inside_a_state_dict_are_chosen(tmp_path: Path) -> None:
    both = under("model.model.", state(1)) | under("teacher.", state(2)) | {"loss.weight": torch.ones(3)}
    path = save(training(state_dict=both), tmp_path / "a.ckpt")
    with pytest.raises(SeveralModels, match=r"`prefix: model\.model\.`"):
        identify(path)
    for choice in ("teacher.", "teacher", "state_dict.teacher.", "teach"):
        verdict = identify(path, choice)
        assert equal(load_checkpoint(path, inside=choice).tensors, state(2))
        assert (verdict.kind, len(verdict.tensors)) == (Kind.CLIP, len(state(2)))
    base = {name.removeprefix("visual."): x for name, x in state(3).items() if name.startswith("visual.")}
    assert torch.equal(load_expert(path, base, inside="model.").tensors["proj"], state(1)["visual.proj"])


def test_the_model_without_a_prefix_can_be_chosen(tmp_path: Path) -> None:
    save_file(state(1) | under("ema.", state(2)), tmp_path / "a.safetensors")
    with pytest.raises(SeveralModels, match=r"`\.`, `ema\.`.*`prefix: \.`"):
        load_checkpoint(tmp_path / "a.safetensors")
    assert equal(load_checkpoint(tmp_path / "a.safetensors", inside="").tensors, state(1))


@pytest.mark.parametrize("wrapper", ["student", "weights", "ema.state_dict", "a.b.model"])
def test_one_model_is_found_in_whatever_it_lies(wrapper: str, tmp_path: Path) -> None:
    nested: Any = state(1)
    for name in reversed(wrapper.split(".")):
        nested = {name: nested, "step": 1}
    path = save(nested, tmp_path / "a.pt")
    assert equal(load_checkpoint(path).tensors, state(1))
    assert equal(load_checkpoint(path, inside=wrapper).tensors, state(1))


def test_numbers_beside_a_model_do_not_hide_it(tmp_path: Path) -> None:
    path = save(training(model=state(1), rng_state=torch.get_rng_state(), loss=torch.tensor(1.0)), tmp_path / "a.pt")
    assert equal(load_checkpoint(path).tensors, state(1))


def test_a_head_inside_a_file_of_several_is_chosen_too(tmp_path: Path) -> None:
    head = {"weight": torch.randn(4, 16), "bias": torch.zeros(4)}
    path = save({"model": state(1), "classifier": head}, tmp_path / "a.pt")
    assert identify(path, "classifier.").kind == Kind.HEAD
    assert torch.equal(trained_head(open_checkpoint(path), *head["weight"].shape), head["weight"])


@pytest.mark.parametrize("inside", ["students.", "epoch", "model.visual.nothing"])
def test_a_choice_that_is_not_there_names_what_is(inside: str, tmp_path: Path) -> None:
    path = save(training(model=state(1), model_ema=state(2)), tmp_path / "a.pt")
    with pytest.raises(BadCheckpoint, match=r"Found image encoders under `model\.`, `model_ema\.`"):
        load_checkpoint(path, inside=inside)


def test_a_special_tensor_in_one_of_several_is_never_skipped(tmp_path: Path) -> None:
    for odd in (torch.eye(3).to_sparse(), torch.ones(2, device="meta")):
        path = save({"model": state(1) | {"odd": odd}, "teacher": state(2)}, tmp_path / "a.pt")
        with pytest.raises(BadCheckpoint, match="expected a dense tensor"):
            load_checkpoint(path, inside="teacher.")


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    path = save({"model": {"x.y": torch.ones(2), "x": {"y": torch.ones(3)}}}, tmp_path / "a.pt")
    with pytest.raises(BadCheckpoint, match="twice"):
        load_checkpoint(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite whose first two experts lie in one file, and the base beside a copy."""
    folder = make_suite(tmp_path / "suite").parent
    both = {name: load_file(folder / f"{name}.safetensors") for name in ("task0", "task1")}
    torch.save(
        {"state_dict": under("student.", both["task0"]) | under("teacher.", both["task1"])}, folder / "both.ckpt"
    )
    base = load_file(folder / "base.safetensors")
    torch.save({"model": base, "ema": {name: x + 0.1 for name, x in base.items()}}, folder / "base.pt")
    return folder


@pytest.mark.slow
def test_a_suite_chooses_and_merges_the_same_as_from_single_files(folder: Path) -> None:
    plain = opened(folder)
    said(folder, 0, expert={"weights": "both.ckpt", "prefix": "student."})
    said(folder, 1, expert={"weights": "both.ckpt", "key": "state_dict", "prefix": "teacher."})
    file = folder / "tiny.yaml"
    described = yaml.safe_load(file.read_text())
    described["base"] |= {"weights": "base.pt", "key": "model"}
    file.write_text(yaml.safe_dump(described))
    assert check(find(str(file))).complaints == []
    problem = opened(folder)
    assert torch.equal(problem.task_vectors.deltas, plain.task_vectors.deltas)
    assert torch.equal(problem.heads["task0"], plain.heads["task0"])
    assert len(set(problem.hashes.values())) == 4


@pytest.mark.slow
def test_a_suite_that_does_not_choose_is_told_what_there_is(folder: Path) -> None:
    said(folder, 0, expert={"weights": "both.ckpt"})
    [complaint] = check(find(str(folder / "tiny.yaml"))).complaints
    assert "`student.`, `teacher.`" in complaint.message
    with pytest.raises(BadCheckpoint, match=r"`student\.`, `teacher\.`"):
        opened(folder)


def test_prefix_and_key_are_texts(folder: Path) -> None:
    said(folder, 0, expert={"weights": "both.ckpt", "prefix": 3})
    with pytest.raises(BadSuite, match=r"`tasks\.0\.expert\.prefix` should be a valid string"):
        find(str(folder / "tiny.yaml"))


def test_a_scan_lists_each_model_and_suggests_the_first(folder: Path) -> None:
    (folder / "base.pt").unlink()
    found = scan(folder)
    assert [one.inside for one in found.checkpoints if one.path.name == "both.ckpt"] == ["student.", "teacher."]
    assert all(one.kind == Kind.ENCODER for one in found.checkpoints if one.path.name == "both.ckpt")
    assert [task.expert.inside for task in suggest(found).tasks if task.expert.path.name == "both.ckpt"] == ["student."]


def test_the_command_line_lists_and_chooses(folder: Path) -> None:
    run = CliRunner().invoke
    assert "`student.`, `teacher.`" in str(run(app, ["inspect", str(folder / "both.ckpt")]).exception)
    told = run(app, ["inspect", str(folder / "both.ckpt"), "--prefix", "teacher."])
    assert "image encoder" in told.output
