"""Adapters that are damaged or made to do harm end in one line that names the file."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from core.checkpoints import load_expert, load_text_tower
from core.checkpoints.lora.options import UNSUPPORTED
from core.errors import BadCheckpoint
from tests.core.adapters import Tensors, copied
from tests.core.checkpoint_files import clip
from tests.core.test_checkpoint_fuzz import damaged

FC = "base_model.model.visual.transformer.resblocks.0.mlp.c_fc"
ATTENTION = "base_model.model.visual.transformer.resblocks.0.attn"
CONFIG: dict[str, Any] = {"peft_type": "LORA", "r": 4, "lora_alpha": 6}


def pair(module: str, outputs: int = 128, inputs: int = 32, rank: int = 4) -> Tensors:
    """Factors of a module, by PEFT's names."""
    return {f"{module}.lora_A.weight": torch.ones(rank, inputs), f"{module}.lora_B.weight": torch.ones(outputs, rank)}


def written(folder: Path, tensors: Tensors, config: Mapping[str, Any]) -> Path:
    """An adapter in a folder of its own."""
    folder.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | config))
    return folder


@pytest.fixture(scope="module")
def base() -> Tensors:
    return copied(clip(), "visual.")


def refused(folder: Path, base: Tensors, tensors: Tensors, **config: Any) -> str:
    """The one line that it ends in, at once."""
    began = time.monotonic()
    with pytest.raises(BadCheckpoint) as caught:
        load_expert(written(folder / "adapter", tensors, config), base)
    assert time.monotonic() - began < 20
    message = str(caught.value)
    assert message.startswith("`adapter")
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_what_they_are_made_of_is_an_adapter(tmp_path: Path, base: Tensors) -> None:
    tensors = pair(FC) | pair(ATTENTION, 96) | pair(f"{ATTENTION}.base_layer.out_proj", 32)
    found = load_expert(written(tmp_path / "adapter", tensors, {}), base).tensors
    changed = {name for name in base if not torch.equal(found[name], base[name].double())}
    block = "transformer.resblocks.0"
    assert changed == {f"{block}.mlp.c_fc.weight", f"{block}.attn.in_proj_weight", f"{block}.attn.out_proj.weight"}


A, B, MAGNITUDE = f"{FC}.lora_A.weight", f"{FC}.lora_B.weight", f"{FC}.lora_magnitude_vector"
TENSORS: dict[str, tuple[Callable[[], Tensors], str]] = {
    "no dimension": (lambda: {A: torch.tensor(1.0), B: torch.tensor(1.0)}, "should have 4 rows"),
    "one dimension": (lambda: pair(FC) | {B: torch.ones(128)}, "should adapt a matrix of shape"),
    "one dimension of A": (lambda: pair(FC) | {A: torch.ones(4)}, "should have 4 rows"),
    "rank 0": (lambda: pair(FC, rank=0), "should have 4 rows"),
    "other rank": (lambda: pair(FC) | {B: torch.ones(128, 5)}, "should adapt a matrix of shape"),
    "transposed": (lambda: pair(FC, 32, 128), r"should adapt a matrix of shape \[128, 32\]"),
    "a convolution": (lambda: {A: torch.ones(4, 32, 1, 1), B: torch.ones(128, 4, 1, 1)}, "should adapt a matrix"),
    "a large convolution": (
        lambda: {
            "visual.conv1.lora_A.weight": torch.ones(4, 3, 8, 8),
            "visual.conv1.lora_B.weight": torch.ones(32, 4, 2, 2),
        },
        "should be a 1 × 1 convolution",
    ),
    "whole numbers": (lambda: {name: x.to(torch.int8) for name, x in pair(FC).items()}, "floating-point numbers"),
    "NaN": (lambda: pair(FC) | {A: torch.full((4, 32), float("nan"))}, "NaN or infinite"),
    "infinity": (lambda: pair(FC) | {A: torch.full((4, 32), float("inf"))}, "NaN or infinite"),
    "only A": (lambda: {A: torch.ones(4, 32)}, "should have lora_A and lora_B. Found only lora_A"),
    "a magnitude": (lambda: pair(FC) | {MAGNITUDE: torch.ones(128)}, "should have lora_A and lora_B"),
    "two kinds": (lambda: pair(FC) | {f"{FC}.lora_embedding_A": torch.ones(4, 32)}, "should have lora_A and lora_B"),
    "the same twice": (lambda: pair(FC) | pair(FC.removeprefix("base_model.model.")), "should hold one adapter"),
    "two adapters": (
        lambda: pair(FC) | {f"{FC}.lora_A.second.weight": torch.ones(4, 32)},
        "should hold one adapter.*Save each in its own folder",
    ),
    "one tensor by two names": (
        lambda: pair(f"{ATTENTION}.base_layer.out_proj", 32) | pair(f"{ATTENTION}.out_proj", 32),
        "should adapt each tensor once",
    ),
    "a part and the whole": (
        lambda: pair("encoder.layers.0.self_attn.q_proj", 32) | pair("transformer.resblocks.0.attn", 96),
        "should adapt each tensor once",
    ),
    "elsewhere": (lambda: pair(FC) | pair("base_model.model.visual.nowhere"), "which this base does not have"),
    "whole tensors": (lambda: pair(FC) | {f"{FC}.base_layer.weight": torch.ones(128, 32)}, "is not supported"),
    "something else": (lambda: pair(FC) | {f"{FC}.lora_diag.weight": torch.ones(4)}, "is not supported"),
    "the text tower": (lambda: pair("base_model.model.text_model.encoder.layers.0.mlp.fc1"), "Found nothing"),
    "nothing": (lambda: {"x.weight": torch.ones(1)}, "is not supported"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_are_no_adapter_of_this_base_are_refused(case: str, tmp_path: Path, base: Tensors) -> None:
    make, message = TENSORS[case]
    assert re.search(message, refused(tmp_path, base, make()))


DORA: dict[str, tuple[Tensors, str]] = {
    "none": ({}, "lora_magnitude_vector. Found only lora_A, lora_B"),
    "too short": ({MAGNITUDE: torch.ones(32)}, "should have 128 numbers"),
    "of no dimension": ({MAGNITUDE: torch.tensor(1.0)}, "should have 128 numbers"),
    "whole": ({MAGNITUDE: torch.ones(128, dtype=torch.int64)}, "floating-point numbers"),
    "infinite": ({MAGNITUDE: torch.full((128,), float("inf"))}, "NaN or infinite"),
}


@pytest.mark.parametrize("case", DORA)
def test_magnitudes_that_do_not_fit_are_refused(case: str, tmp_path: Path, base: Tensors) -> None:
    more, message = DORA[case]
    assert message in refused(tmp_path, base, pair(FC) | more, use_dora=True)


SLOW = ("(a+)+b", "(.*)*x", "(a|aa)+$b", "((a*)*)*b", "(((a{1000}){1000}){1000})", ".*.*.*.*x", "(" * 5000, "[b-a]")
OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "huge rank": ({"r": 10**9}, "should have 1000000000 rows"),
    "a rank beyond all numbers": ({"r": 10**400}, "as numbers"),
    "an alpha beyond all numbers": ({"lora_alpha": 10**400}, "as numbers"),
    "infinite alpha": ({"lora_alpha": float("inf")}, "as numbers"),
    "NaN": ({"lora_alpha": float("nan")}, "as numbers"),
    "no rank": ({"r": None}, "as numbers"),
    "rank 0": ({"r": 0}, "as numbers"),
    "a text": ({"r": "4"}, "as numbers"),
    "true": ({"lora_alpha": True}, "as numbers"),
    "a list": ({"rank_pattern": ["c_fc"]}, "should map names to numbers in `rank_pattern`"),
    "an alpha that is a list": ({"alpha_pattern": {"c_fc": [1]}}, "as numbers"),
    "bias": ({"bias": ["all"]}, "bias \"['all']\""),
    "a base that was changed": ({"init_lora_weights": "pissa_niter_4"}, "`init_lora_weights` 'pissa_niter_4'"),
    **{f"pattern {pattern[:9]}": ({"alpha_pattern": {pattern: 1}}, "simple patterns") for pattern in SLOW},
    **{f"option {key}": ({key: {"a": 1}}, told) for key, told in UNSUPPORTED.items()},
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_make_no_sense_are_refused(case: str, tmp_path: Path, base: Tensors) -> None:
    options, message = OPTIONS[case]
    assert message in refused(tmp_path, base, pair(FC), **options)


@pytest.mark.slow
def test_many_plain_patterns_take_no_time(tmp_path: Path, base: Tensors) -> None:
    patterns = {f"none{number}": 1 for number in range(200_000)}
    assert "should have 5 rows" in refused(tmp_path, base, pair(FC), alpha_pattern=patterns, r=5)


def test_patterns_are_given_up_when_they_take_too_long(
    tmp_path: Path, base: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.checkpoints.lora.options.PATIENCE", 0.0)
    assert "more patterns than can be tried" in refused(tmp_path, base, pair(FC), alpha_pattern={"c_proj": 1})


SAVED: dict[str, tuple[torch.Tensor, str]] = {
    "wrong shape": (torch.ones(7), r"should be float32 \[32\], as in the base. Found float32 \[7\]"),
    "whole numbers": (torch.ones(32, dtype=torch.int64), r"Found int64 \[32\]"),
    "NaN": (torch.full((32,), float("nan")), "NaN or infinite"),
}


@pytest.mark.parametrize("case", SAVED)
def test_whole_modules_that_do_not_fit_are_refused(case: str, tmp_path: Path, base: Tensors) -> None:
    tensor, message = SAVED[case]
    tensors = pair(FC) | {"base_model.model.visual.ln_post.weight": tensor}
    assert re.search(message, refused(tmp_path, base, tensors, modules_to_save=["ln_post"]))


@pytest.mark.parametrize("kept", ["ln_post", {"ln_post": 1}, ["x"], ["ln_post"] * 1000, 7])
def test_tensors_that_no_option_speaks_of_are_refused(kept: Any, tmp_path: Path, base: Tensors) -> None:
    tensors = pair(FC) | {"base_model.model.visual.ln_post.weight": torch.ones(32)}
    assert "is not supported" in refused(tmp_path, base, tensors, modules_to_save=kept)


@pytest.mark.slow
def test_names_of_many_parts_take_no_time(tmp_path: Path, base: Tensors) -> None:
    long = "a." * 200
    tensors = {f"{long}{i}.lora_{part}.weight": torch.ones(1) for i in range(3000) for part in "AB"}
    assert "which this base does not have" in refused(tmp_path, base, tensors)


def test_a_damaged_adapter_of_a_text_tower_is_refused(tmp_path: Path) -> None:
    torch.save(clip().state_dict(), tmp_path / "base.pt")
    name = "base_model.model.transformer.resblocks.0.mlp.c_fc"
    for tensors in (pair(name, 3, 3), pair(f"{name}.none") | pair(FC), pair(FC)):
        adapter = written(tmp_path / "adapter", tensors, {"auto_mapping": {"base_model_class": "CLIP"}})
        with pytest.raises(BadCheckpoint, match=r"^`adapter"):
            load_text_tower(adapter, None, (tmp_path / "base.pt", None))


@pytest.mark.slow
@pytest.mark.parametrize("mutants", [500, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_mutants_are_merged_or_refused_in_one_line(mutants: int, tmp_path: Path, base: Tensors) -> None:
    """Names, shapes, options and bytes exchanged at random."""
    chance, merged, messages = random.Random(6), 0, list[str]()
    for _ in range(mutants):
        adapter = written(tmp_path / "adapter", *mutant(chance))
        if chance.random() < 0.2:
            file = adapter / chance.choice(["adapter_config.json", "adapter_model.safetensors"])
            file.write_bytes(damaged(file.read_bytes(), chance))
        try:
            found = load_expert(adapter, base).tensors
        except BadCheckpoint as error:
            messages.append(str(error))
        else:
            merged += 1
            assert {name: tensor.shape for name, tensor in found.items()} == {n: x.shape for n, x in base.items()}
    assert merged > mutants / 20
    assert len(messages) > mutants / 4
    assert not any("\n" in message for message in messages)


def mutant(chance: random.Random) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and options of an adapter with some of them changed."""
    tensors = pair(FC) | pair(ATTENTION, 96) | {"base_model.model.visual.ln_post.weight": torch.ones(32)}
    words = [*FC.split("."), "lora_A", "lora_B", "weight", "attn", "base_layer", "out_proj", "vision_model", "", "0"]
    for name in chance.sample(sorted(tensors), chance.randrange(3)):
        parts, tensor = name.split("."), tensors.pop(name)
        parts[chance.randrange(len(parts))] = chance.choice(words)
        if chance.random() < 0.3:
            tensor = torch.ones([chance.choice([0, 1, 4, 32, 96]) for _ in range(chance.randrange(4))])
        tensors[".".join(parts)] = tensor
    values = [None, 0, 4, -1, 1.5, "x", [], {}, ["ln_post"], {"c_fc": 2}, {"(": 1}, True, 10**30, "CLIP", [None]]
    keys = ["r", "lora_alpha", "peft_type", "modules_to_save", "use_dora", "alpha_pattern", "rank_pattern", "bias",
            "auto_mapping", "use_rslora", "init_lora_weights"]  # fmt: skip
    options = {key: chance.choice(values) for key in chance.sample(keys, chance.randrange(3))}
    return tensors, {"modules_to_save": ["ln_post"]} | options
