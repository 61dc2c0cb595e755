"""Loading a suite: what does not fit its base is refused by name, and what fits is read exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import BadCheckpoint, BadInput, BadSuite, UnknownName
from core.problem.loading import load
from core.problem.problem import Problem
from core.suite.find import find
from tests.core.naive import Naive
from tests.core.properties import fingerprint
from tests.tiny import CONFIG

Change = Callable[[dict[str, Tensor]], object]
NAME = "visual.transformer.resblocks.0.ln_1.weight"


def opened(folder: Path, tasks: list[str] | None = None, **how: Any) -> Problem:
    """The suite of a folder, loaded without measuring anything."""
    return load(
        find(str(folder / "tiny.yaml")), tasks, **{"device": "cpu", "precision": "float32", "micro_batch": 64} | how
    )


def edit(file: Path, change: Change, metadata: dict[str, str] | None = None) -> None:
    """Change the tensors of a file."""
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata)


def edit_suite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the suite file."""
    path = folder / "tiny.yaml"
    description = yaml.safe_load(path.read_text())
    change(description)
    path.write_text(yaml.safe_dump(description, sort_keys=False))


EXPERTS: dict[str, tuple[Change, str]] = {
    "missing": (lambda t: t.pop(NAME), r"resblocks\.0\.ln_1\.weight is missing"),
    "unexpected": (lambda t: t.update({"visual.extra": torch.ones(2)}), r"extra is unexpected"),
    "shape": (lambda t: t.update({NAME: torch.ones(31)}), r"ln_1\.weight should have shape \[32\], found \[31\]"),
    "transposed": (
        lambda t: t.update({"visual.proj": t["visual.proj"].T.contiguous()}),
        r"proj should have shape \[32, 16\], found \[16, 32\]",
    ),
    "dtype": (
        lambda t: t.update({NAME: t[NAME].half()}),
        r"should be torch\.float32, found torch\.float16.*cast: true",
    ),
    "integers": (lambda t: t.update({NAME: torch.ones(32, dtype=torch.int64)}), r"found torch\.int64"),
    "nan": (lambda t: t[NAME].fill_(float("nan")), r"tensor `visual\.transformer.*ln_1\.weight` holds NaN"),
}


@pytest.mark.parametrize("case", EXPERTS)
def test_an_expert_that_does_not_fit_is_named(case: str, folder: Path) -> None:
    change, message = EXPERTS[case]
    edit(folder / "task1.safetensors", change)
    with pytest.raises(BadCheckpoint, match=message) as caught:
        opened(folder)
    assert "`task1.safetensors`" in str(caught.value)


def test_all_differences_of_an_expert_are_told_at_once(folder: Path) -> None:
    edit(folder / "task1.safetensors", EXPERTS["missing"][0])
    edit(folder / "task1.safetensors", EXPERTS["unexpected"][0])
    with pytest.raises(BadCheckpoint, match="is missing; extra is unexpected"):
        opened(folder)


def test_a_foreign_checkpoint_gives_one_short_line(folder: Path) -> None:
    save_file({"vision_model.embeddings.class_embedding": torch.ones(32)}, folder / "task1.safetensors")
    with pytest.raises(BadCheckpoint, match=r"does not fit the base.*is missing.*and \d+ more") as caught:
        opened(folder)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("deltas", ["float32", "bfloat16"])
def test_an_expert_that_equals_the_base_is_refused(deltas: str, folder: Path) -> None:
    base = load_file(folder / "base.safetensors")
    save_file({n: t for n, t in base.items() if n.startswith("visual.")}, folder / "task2.safetensors")
    with pytest.raises(BadCheckpoint, match="`task2` equals the base"):
        opened(folder, deltas=deltas)


@pytest.mark.parametrize("disguise", [None, {"name": "another"}])
def test_an_expert_given_twice_is_refused_whatever_the_file_says(disguise: dict[str, str] | None, folder: Path) -> None:
    save_file(load_file(folder / "task0.safetensors"), folder / "task2.safetensors", disguise)
    with pytest.raises(BadCheckpoint, match="`task0` and `task2` are the same"):
        opened(folder)


def test_experts_that_differ_in_one_number_are_two(folder: Path) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors["visual.ln_post.bias"][0] += 1

    save_file(load_file(folder / "task0.safetensors"), folder / "task2.safetensors")
    edit(folder / "task2.safetensors", change)
    found = opened(folder).task_vectors
    assert (found.deltas[0] != found.deltas[2]).sum() == 1


def test_cast_accepts_another_element_type(folder: Path, naive: Naive) -> None:
    edit(folder / "task1.safetensors", lambda t: t.update({n: x.half() for n, x in t.items()}))
    edit_suite(folder, lambda d: d["tasks"][1]["expert"].update(cast=True))
    weights = opened(folder).task_vectors.expert("task1")
    expected = naive.experts["task1"]["proj"]
    torch.testing.assert_close(weights["proj"].double(), expected, rtol=0, atol=1e-3)


BASES: dict[str, tuple[Change, str]] = {
    "missing": (lambda t: t.pop(NAME), r"ln_1\.weight is missing"),
    "unexpected": (lambda t: t.update({"visual.extra": torch.ones(2)}), "extra is unexpected"),
    "shape": (lambda t: t.update({NAME: torch.ones(31)}), r"should have shape \[32\], found \[31\]"),
    "integers": (lambda t: t.update({NAME: torch.ones(32, dtype=torch.int64)}), "should be floating-point"),
    "infinite": (lambda t: t[NAME].fill_(float("inf")), "holds NaN or infinite"),
}


@pytest.mark.parametrize("case", BASES)
def test_a_base_that_is_not_of_its_architecture_is_named(case: str, folder: Path) -> None:
    change, message = BASES[case]
    edit(folder / "base.safetensors", change)
    with pytest.raises(BadCheckpoint, match=message) as caught:
        opened(folder)
    assert "`base.safetensors`" in str(caught.value)


VISION, TEXT = CONFIG["vision_cfg"], CONFIG["text_cfg"]
CONFIGS = [
    {"vision_cfg": None},
    {"vision_cfg": [1]},
    {"text_cfg": None},
    {"unknown": 1},
    {"embed_dim": "x"},
    {"embed_dim": -4},
    {"vision_cfg": VISION | {"layers": "x"}},
    {"vision_cfg": VISION | {"width": -32}},
    {"vision_cfg": VISION | {"width": 10**9}},
    {"vision_cfg": VISION | {"patch_size": 0}},
    {"vision_cfg": VISION | {"unknown": 1}},
    {"vision_cfg": {"timm_model_name": "no such model", "image_size": 16}},
    {"vision_cfg": {"timm_model_name": "resnet18", "timm_model_pretrained": True, "image_size": 16}},
    {"text_cfg": {"hf_model_name": "roberta-base"}},
    {"text_cfg": TEXT | {"hf_tokenizer_name": "bert-base-uncased"}},
]


@pytest.mark.parametrize("change", CONFIGS, ids=[json.dumps(c)[:60] for c in CONFIGS])
def test_configurations_that_cannot_be_built_or_would_fetch_are_refused(change: dict[str, Any], folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | change))
    with pytest.raises(BadSuite, match=r"`config\.json`") as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '"x"', "{", "[[1]]", "\xff", "[" * 100_000])
def test_a_configuration_that_is_no_object_is_refused(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text, "latin-1")
    with pytest.raises(BadSuite, match=r"config\.json` should be a JSON file"):
        opened(folder)


def test_missing_files_are_refused_before_anything_is_read(folder: Path) -> None:
    (folder / "base.safetensors").write_bytes(b"damaged")
    (folder / "task1.npz").unlink()
    with pytest.raises(BadSuite, match=r"images of task1: `task1\.npz` is missing"):
        opened(folder)


def test_a_choice_of_tasks_is_loaded_in_the_order_asked(folder: Path) -> None:
    (folder / "task1.safetensors").write_bytes(b"damaged, but not asked for")
    found = opened(folder, ["task2", "task0", "task2"])
    assert found.tasks == ("task2", "task0")
    assert list(found.heads) == ["task2", "task0"]
    assert found.task_vectors.deltas.shape[0] == 2


@pytest.mark.parametrize("tasks", [[], ["task9"]])
def test_a_choice_of_no_task_or_an_unknown_one_is_refused(tasks: list[str], folder: Path) -> None:
    with pytest.raises(BadInput):
        opened(folder, tasks)


@pytest.mark.slow
def test_a_task_without_expert_is_evaluated_but_not_merged(folder: Path) -> None:
    edit_suite(folder, lambda d: d["tasks"][1].pop("expert"))
    found = opened(folder)
    assert (found.tasks, found.unseen) == (("task0", "task2"), ("task1",))
    assert found.logits(found.task_vectors.base, "task1", found.images("task1")).shape == (32, 4)
    with pytest.raises(BadInput, match="at least one task with an expert"):
        opened(folder, ["task1"])


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"precision": "half"}, UnknownName, "precision `half`.*float32"),
        ({"deltas": "half"}, UnknownName, "deltas `half`.*bfloat16"),
        ({"device": "toaster"}, BadInput, "`device`.*`toaster`"),
        ({"device": "meta"}, BadInput, "`device`.*`meta`"),
        ({"device": ""}, BadInput, "`device`"),
        ({"device": "hpu"}, BadInput, "`device`"),
    ],
)
def test_unknown_ways_to_compute_are_refused(how: Any, error: type[Exception], message: str, folder: Path) -> None:
    with pytest.raises(error, match=message) as caught:
        opened(folder, **how)
    assert "\n" not in str(caught.value)


def test_task_vectors_are_the_differences(problem32: Problem, problem64: Problem, naive: Naive) -> None:
    for name in naive.names:
        expected = torch.stack([naive.delta(task, name) for task in naive.tasks])
        assert torch.equal(problem64.task_vectors.delta(name), expected)
        torch.testing.assert_close(problem32.task_vectors.delta(name).double(), expected, rtol=0, atol=1e-6)
        assert torch.equal(problem64.task_vectors.base[name], naive.base[name])


def test_bfloat16_deltas_are_the_rounded_differences(folder: Path, problem32: Problem) -> None:
    found = opened(folder, deltas="bfloat16")
    assert found.execution["deltas"] == "bfloat16"
    assert torch.equal(found.task_vectors.deltas, problem32.task_vectors.deltas.bfloat16())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("deltas", ["auto", "bfloat16"])
def test_a_stored_execution_loads_the_same_problem_again(precision: str, deltas: str, folder: Path) -> None:
    first = opened(folder, precision=precision, deltas=deltas, micro_batch=5)
    stored = {name: first.execution[name] for name in ("device", "precision", "deltas", "micro_batch")}
    again = opened(folder, **stored)
    assert again.execution == first.execution
    assert again.hashes == first.hashes
    assert again.content == first.content
    assert fingerprint(again) == fingerprint(first)


@pytest.mark.slow
def test_loading_changes_no_file(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    opened(folder, precision="auto", micro_batch=None)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_unknown_split_and_one_the_task_lacks_are_named(folder: Path) -> None:
    np.savez(folder / "task0.npz", test_images=np.zeros((4, 16, 16, 3), np.uint8))
    found = opened(folder)
    with pytest.raises(UnknownName, match=r"split `validation`.*held-out"):
        found.split("task0", "validation")
    with pytest.raises(BadInput, match="`task0` has no split `train`"):
        found.split("task0", "train")


@pytest.mark.parametrize(
    ("arrays", "found"),
    [({"other": 1}, "no split"), ({"train_images": 1, "held-out_images": 1}, "splits train, held-out")],
)
def test_a_task_without_test_images_is_refused_at_once(arrays: dict[str, int], found: str, folder: Path) -> None:
    np.savez(folder / "task1.npz", **{name: np.zeros((4, 16, 16, 3), np.uint8) for name in arrays})
    with pytest.raises(BadSuite, match=f"`task1` should have images in split `test`. Found {found} in `task1.npz`"):
        opened(folder)
