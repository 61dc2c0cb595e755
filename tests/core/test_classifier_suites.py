"""Suites of image classifiers: trained heads with their experts, numbers of classes of their own, names of rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from core import methods
from core.checkpoints import load_weights
from core.errors import BadCheckpoint, BadSuite
from core.problem.evaluate import evaluate_everywhere
from core.problem.examine import check
from core.problem.findings import Code
from core.problem.loading import load
from core.progress import SILENT
from core.step import Outcome
from core.suite.find import SuiteFile, find
from tests.classifiers import LABELS, hugging_face_folder
from tests.core.classifier_suites import make_classifiers

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hugging_face_folder(tmp_path_factory.mktemp("classifiers") / "root")


def suite(folder: Path, name: str = "suite", templates: str = "") -> SuiteFile:
    """A suite file of the folder."""
    tasks = [
        {
            "name": task,
            "expert": {"weights": f"vit-{task}"},
            "data": {"kind": "folder", "path": f"images/{task}"},
        }
        | ({"templates": [templates]} if templates else {})
        for task in LABELS
    ]
    text = yaml.safe_dump({"name": name, "base": {"arch": "transformers", "weights": "base"}, "tasks": tasks})
    (folder / f"{name}.yaml").write_text(text)
    return find(str(folder / f"{name}.yaml"))


def said(folder: Path, task: str) -> float:
    """The accuracy of a task's expert, by what transformers itself says of each picture."""
    from transformers import ViTForImageClassification, ViTImageProcessor

    made: Any = ViTForImageClassification
    model = made.from_pretrained(folder / f"vit-{task}")
    prepare: Any = ViTImageProcessor(size={"height": 32, "width": 32})
    files = sorted((folder / "images" / task / "test").glob("*/*.png"))
    with torch.no_grad():
        pixels = prepare([Image.open(file) for file in files], return_tensors="pt").pixel_values
        found = [model.config.id2label[int(row)] for row in model(pixels).logits.argmax(1)]
    return float(np.mean([name == file.parent.name for name, file in zip(found, files, strict=True)]))


def test_an_experts_accuracy_is_what_transformers_says(folder: Path) -> None:
    problem = load(suite(folder), device="cpu", precision="float32")
    assert problem.classes["shapes"] == ("circle", "square", "triangle")  # sorted; the head's rows are not
    assert {task: len(head) for task, head in problem.heads.items()} == {"shapes": 3, "colours": 2}
    for task in LABELS:
        outcome = Outcome.of(problem.task_vectors.expert(task))
        [found] = evaluate_everywhere(problem, outcome, SILENT, [task])
        assert found.accuracy == pytest.approx(said(folder, task))
    assert not [one for one in problem.findings if one.code == Code.OTHER_HEAD_LABELS]


def test_rows_with_other_names_are_told(folder: Path) -> None:
    config = folder / "vit-shapes" / "config.json"
    before = config.read_text()
    try:
        config.write_text(before.replace('"circle"', '"disc"'))
        file = suite(folder, "renamed")
        for findings in (load(file).findings, check(file).findings):
            [found] = [one for one in findings if one.code == Code.OTHER_HEAD_LABELS]
            assert "'triangle', 'disc', 'square'" in found.text
    finally:
        config.write_text(before)


@pytest.mark.slow
@pytest.mark.parametrize("method", methods.names())
def test_every_method_works_on_classifiers(method: str, folder: Path, cli: Cli) -> None:
    path = suite(folder).path
    settings = ["--set", "steps=2"] if "steps" in methods.get(method).Settings.model_fields else []
    done = cli("merge", path, "--method", method, *settings, "--precision", "float32", "--json")
    assert done.status == 0 or len(done.err.strip().splitlines()) == 1, done.err


def test_a_text_tower_is_not_expected_of_a_classifier(folder: Path) -> None:
    with pytest.raises(BadSuite, match="has no text tower"):
        load(suite(folder, "texts", templates="a photo of a {}"))


def test_a_head_is_found_in_any_file_and_chosen_where_there_are_several(folder: Path) -> None:
    own = load_file(folder / "vit-shapes" / "model.safetensors")
    weight, bias = own["classifier.weight"], own["classifier.bias"]
    save_file({"fc.weight": weight, "fc.bias": bias}, folder / "one.safetensors")
    save_file({"a.weight": weight, "b.weight": -weight, "b.bias": bias}, folder / "two.safetensors")
    path = suite(folder, "heads").path
    text = yaml.safe_load(path.read_text())

    def heads(head: Any) -> torch.Tensor:
        text["tasks"] = [text["tasks"][0] | {"head": head}]
        path.write_text(yaml.safe_dump(text))
        return load(find(str(path)), precision="float32").heads["shapes"]

    whole = torch.cat([weight, bias[:, None]], dim=1)
    assert torch.equal(heads("one.safetensors"), whole)  # A file without names: rows are in the order of the classes.
    assert torch.equal(heads("own"), whole[[1, 2, 0]])  # circle, square, triangle
    torch.testing.assert_close(heads({"weights": "two.safetensors", "key": "b"})[:, :-1], -weight)
    with pytest.raises(BadCheckpoint, match=r"Found `a.weight` \[3, 32\], `b.weight` \[3, 32\].*key: NAME"):
        heads("two.safetensors")
    for wrong in (torch.ones(7), bias[:, None]):  # Leaving it out would change every answer.
        save_file({"weight": weight, "bias": wrong}, folder / "bias.safetensors")
        with pytest.raises(
            BadCheckpoint, match=rf"bias `bias` of the head should have shape \[3\]. Found \[{len(wrong)}"
        ):
            heads("bias.safetensors")


def test_a_checkpoint_without_its_head_is_told(folder: Path, tmp_path: Path) -> None:
    path = suite(folder, "headless").path
    text = yaml.safe_load(path.read_text())
    text["tasks"][0]["expert"] = {"weights": "base"}
    path.write_text(yaml.safe_dump(text))
    with pytest.raises(BadCheckpoint, match=r"should hold one head of shape \[3, 32\]"):
        load(find(str(path)))
    [found, *_] = check(find(str(path))).complaints
    assert "one head of shape" in found.message


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT asks for it
@pytest.mark.parametrize("names", ["of its modules", "of an earlier version"])
def test_an_adapter_with_its_head_is_merged_as_peft_does(names: str, folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import ViTForImageClassification

    shutil.copytree(folder, tmp_path / "root")
    made: Any = ViTForImageClassification
    model = made.from_pretrained(folder / "vit-shapes")
    torch.manual_seed(1)
    options = LoraConfig(
        r=2, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"], init_lora_weights=False, lora_alpha=1
    )
    tuned: Any = get_peft_model(model, options)
    tuned.classifier.modules_to_save["default"].weight.data.normal_()
    target = tmp_path / "root" / "vit-shapes"
    for file in target.iterdir():
        file.unlink()
    tuned.save_pretrained(target)
    made.from_pretrained(folder / "vit-shapes").vit.save_pretrained(tmp_path / "root" / "base")
    if names == "of an earlier version":
        file = target / "adapter_model.safetensors"
        older = {"layers.": "encoder.layer.", "q_proj": "attention.query", "v_proj": "attention.value"}
        tensors = load_file(file)
        for new, old in older.items():
            tensors = {name.replace(new, old): one for name, one in tensors.items()}
        save_file(tensors, file)
    suite_file = suite(tmp_path / "root")
    problem = load(suite_file, ["shapes"], device="cpu", precision="float64")
    merged = tuned.merge_and_unload().double().eval()
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    prepared = problem.encoder.prepare(pixels)
    with torch.no_grad():
        expected = merged(prepared).logits
    found = problem.logits(problem.task_vectors.expert("shapes"), "shapes", pixels)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.slow
def test_a_head_trained_beside_a_clip_encoder_is_used_where_it_is_asked_for(tiny_suite: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_suite.parent, tmp_path / "suite")
    file = root / tiny_suite.name
    text = yaml.safe_load(file.read_text())
    task = text["tasks"][0]
    classes = len(task["classes"])
    expert = root / task["expert"]["weights"]
    weight, bias = torch.randn(classes, 16), torch.randn(classes)
    save_file({**load_file(expert), "classifier.weight": weight, "classifier.bias": bias}, expert)
    [found] = [one for one in load(find(str(file))).findings if one.code == Code.DROPPED_TRAINED_HEAD]
    assert found.action == {"task": task["name"], "set": {"head": "trained"}}
    task |= found.action["set"]
    file.write_text(yaml.safe_dump(text))
    problem = load(find(str(file)), precision="float32")
    assert torch.equal(problem.heads[task["name"]], torch.cat([weight, bias[:, None]], dim=1))
    others = [head for name, head in problem.heads.items() if name != task["name"]]
    assert all(head.shape[1] == 17 and not head[:, -1].any() for head in others)
    assert Code.DROPPED_TRAINED_HEAD not in {one.code for one in problem.findings}


@pytest.mark.slow
def test_a_file_of_weights_is_measured_with_its_own_statistics(tmp_path: Path) -> None:
    file = find(str(make_classifiers(tmp_path, "resnet")))
    problem = load(file, device="cpu", precision="float64")
    vectors, pixels = problem.task_vectors, problem.images("a")[:]
    name = "resnet.embedder.embedder.normalization.running_mean"
    path = tmp_path / "a" / "model.safetensors"
    tensors = load_file(path)
    tensors[name] += 0.5
    save_file(tensors, path)
    found = load_weights(tmp_path / "a", vectors.base, vectors.names, arch=problem.encoder.arch)
    expected = load(file, device="cpu", precision="float64").task_vectors.expert("a")
    torch.testing.assert_close(problem.logits(found, "a", pixels), problem.logits(expected, "a", pixels))
    save_file(tensors | {name: tensors[name][:1]}, path)
    with pytest.raises(BadCheckpoint, match=r"running_mean should have shape \[8\], found \[1\]"):
        load_weights(tmp_path / "a", vectors.base, vectors.names, arch=problem.encoder.arch)
    with pytest.raises(BadCheckpoint, match=r"running_mean should have shape \[8\], found \[1\]"):
        load(file, device="cpu", precision="float64")


def test_an_expert_that_was_trained_on_other_images_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "root")
    file, expert = suite(tmp_path / "root"), tmp_path / "root" / "vit-shapes"
    told = {"size": {"height": 32, "width": 32}, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.5, 0.5, 0.5]}
    (expert / "preprocessor_config.json").write_text(json.dumps(told))
    for findings in (load(file).findings, check(file).findings):
        [found] = [one for one in findings if one.code == Code.OTHER_IMAGES]
        assert found.subject == "shapes"
        assert "(mean (0.5, 0.5, 0.5)). Found mean (0.485, 0.456, 0.406) in `vit-shapes`" in found.text
    for other in (json.dumps(told | {"image_mean": [0.5] * 3}), "[]", '{"size": "large"}', '{"size": 1e999}'):
        (expert / "preprocessor_config.json").write_text(other)
        assert not [one for one in load(file).findings if one.code == Code.OTHER_IMAGES]


def test_an_expert_that_computes_otherwise_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "root")
    file, config = suite(tmp_path / "root"), tmp_path / "root" / "vit-shapes" / "config.json"
    config.write_text(config.read_text().replace('"hidden_act": "gelu"', '"hidden_act": "relu"'))
    for findings in (load(file).findings, check(file).findings):
        [found] = [one for one in findings if one.code == Code.OTHER_MODEL]
        assert found.subject == "shapes"
        assert "(hidden_act gelu). Found hidden_act relu in `vit-shapes`" in found.text


def test_a_head_of_several_layers_is_not_taken_for_its_last_one(folder: Path) -> None:
    path = suite(folder, "layers").path
    text = yaml.safe_load(path.read_text())
    last = torch.nn.Linear(32, 3)
    for first in (torch.nn.Linear(32, 32), torch.nn.LayerNorm(32)):
        save_file(torch.nn.Sequential(first, last).state_dict(), folder / "layers.safetensors")
        text["tasks"] = [text["tasks"][0] | {"head": "layers.safetensors"}]
        path.write_text(yaml.safe_dump(text))
        with pytest.raises(BadCheckpoint, match=r"one linear layer. Found `0.weight` \[32.* before `1.weight`"):
            load(find(str(path)))
    text["tasks"] = [text["tasks"][0] | {"head": {"weights": "layers.safetensors", "key": "1"}}]
    path.write_text(yaml.safe_dump(text))
    assert torch.equal(load(find(str(path)), precision="float32").heads["shapes"][:, :-1], last.weight)


def test_an_expert_of_another_architecture_is_told(folder: Path) -> None:
    from torchvision.models import get_model

    path = suite(folder, "another").path
    text = yaml.safe_load(path.read_text())
    text["tasks"][0]["expert"] = {"weights": "another.pth"}
    path.write_text(yaml.safe_dump(text))
    torch.save(get_model("shufflenet_v2_x0_5", num_classes=3).state_dict(), folder / "another.pth")
    with pytest.raises(BadCheckpoint, match=r"`another.pth` should be a transformers:vit, as the base is"):
        load(find(str(path)))
