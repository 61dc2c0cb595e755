"""Configurations of classifiers with values of any kind in any place: a model is built, or refused in one line."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from core.encoders.building import outline
from core.encoders.encoder import Encoder
from core.encoders.family import architecture
from core.encoders.preprocessing import fitting
from core.errors import BadSuite, UnknownName
from tests.core.test_checkpoint_fuzz import SEED
from tests.core.test_families import TIMM, TRANSFORMERS

JUNK: list[Any] = [
    None, True, 0, -1, 1, 3, 7, 10**9, 10**18, 1e400, -0.5, 0.5, "", "x", "../../etc", "kernels-community/x", [], [1],
    [0], ["a"], [[]], {}, {"a": 1},
]  # fmt: skip
TAKEN = {
    "do_resize": True, "size": {"height": 32, "width": 32}, "resample": 2, "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32}, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
}  # fmt: skip
PRETRAINED = {"input_size": [3, 32, 32], "crop_pct": 0.9, "mean": [0.5] * 3, "std": [0.5] * 3, "crop_mode": "center"}
LONGEST = 10.0
"""Seconds for one of them."""


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside."""
    if before:
        yield before
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*before, key))


def changed(value: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    value = deepcopy(value)
    for _ in range(chance.choice((1, 1, 2))):
        *way, last = chance.choice(list(places(value)))
        inner: Any = value
        for key in way:
            inner = inner[key]
        inner[last] = deepcopy(chance.choice(JUNK))
    return value


@pytest.mark.slow
@pytest.mark.parametrize("mutants", [1_000, pytest.param(100_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("library", ["timm", "transformers"])
@pytest.mark.filterwarnings("ignore")  # Libraries warn of the strange values that they are given.
def test_strange_configurations_make_a_model_or_are_refused(library: str, mutants: int, tmp_path: Path) -> None:
    chance, picture, refused = random.Random(SEED), Image.new("RGB", (40, 30)), 0
    file, images = tmp_path / "config.json", tmp_path / "preprocessor_config.json"
    for _ in range(mutants):
        if library == "timm":
            kind = chance.choice(list(TIMM))
            file.write_text(
                json.dumps(
                    changed({"architecture": kind, "model_args": TIMM[kind], "pretrained_cfg": PRETRAINED}, chance)
                )
            )
        else:
            kind = chance.choice(list(TRANSFORMERS))
            config, taken = {"model_type": kind, **TRANSFORMERS[kind]}, TAKEN
            if chance.random() < 0.5:
                config = changed(config, chance)
            else:
                taken = changed(taken, chance)
            file.write_text(json.dumps(config))
            images.write_text(json.dumps(taken))
        begin = time.thread_time()
        try:
            arch = architecture(library, file)
            assert outline(arch).width > 0
            fitting(arch).apply(picture)
        except (BadSuite, UnknownName):
            refused += 1
        assert time.thread_time() - begin < LONGEST
    assert 0 < refused < mutants


def test_what_is_wrong_with_an_architecture_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="vit_tiny_patch16_224"):
        architecture("timm:vit_tiny_patch16_225")
    with pytest.raises(UnknownName, match="resnet18"):
        architecture("torchvision:resnet19")
    with pytest.raises(BadSuite, match="one linear layer"):
        Encoder(architecture("torchvision:squeezenet1_0"), torch.device("cpu"), "float32")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit", "image_size": 32}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 64, "width": 64}}))
    with pytest.raises(BadSuite, match="doesn't match model"):
        Encoder(architecture("transformers", tmp_path / "config.json"), torch.device("cpu"), "float32")


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{", '{"model_type": 3}', '{"model_type": "no such"}', '{"model_type": "bert"}', "[" * 100_000,
        '{"model_type": "timm_wrapper", "model_args": {"checkpoint_path": "x.pt"}}',
        '{"model_type": "vit", "num_hidden_layers": 10000000}', '{"model_type": "vit", "hidden_size": 1e400}',
        '{"model_type": "vit", "hidden_size": -8}', '{"model_type": "vit", "image_size": "x"}',
        '{"model_type": "vit", "hidden_size": NaN}', '{"model_type": "convnext", "depths": [1, 1, 100000, 1]}',
        '{"model_type": "clip", "vision_config": {"num_hidden_layers": 1000000}}',
        '{"model_type": "swin", "depths": {}}',
        '{"model_type": "vit", "hidden_act": "no such"}',
    ],
)  # fmt: skip
def test_a_configuration_of_transformers_that_makes_no_model_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(BadSuite):
        Encoder(architecture("transformers", tmp_path / "config.json"), torch.device("cpu"), "float32")


@pytest.mark.parametrize(
    "args",
    [
        {"checkpoint_path": "model.pt"}, {"pretrained": True}, {"depth": 10**7}, {"img_size": "x"}, {"no_such": 1},
        {"embed_dim": -1}, {"num_heads": 5}, {"img_size": 10**9}, {"act_layer": "os.system"}, {"patch_size": 0},
        [1], "x",
    ],
)  # fmt: skip
def test_a_configuration_of_timm_that_makes_no_model_is_refused(args: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "vit_tiny_patch16_224", "model_args": args}))
    with pytest.raises(BadSuite):
        Encoder(architecture("timm", tmp_path / "config.json"), torch.device("cpu"), "float32")
