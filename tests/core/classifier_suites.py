"""Small suites of image classifiers, with random weights, in the folders and files that their libraries write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import transformers
import yaml
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model

from tests.tiny import CLASSES

TASKS = {"a": CLASSES, "b": CLASSES[:3]}
TIMM = {"architecture": "vit_tiny_patch16_224", "model_args": {"img_size": 32, "patch_size": 8, "depth": 2}}
SMALL = {"image_size": 32, "num_channels": 3}
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64}
HUGGING_FACE: dict[str, dict[str, Any]] = {
    "vit": SMALL | LAYERS | {"patch_size": 8},
    "deit": SMALL | LAYERS | {"patch_size": 8},
    "beit": SMALL | LAYERS | {"patch_size": 8, "use_relative_position_bias": True},
    "dinov2": SMALL | LAYERS | {"patch_size": 8},
    "swin": SMALL | {"patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
    "convnext": SMALL | {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "resnet": SMALL | {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    "clip_vision_model": SMALL | LAYERS | {"patch_size": 8},
    "siglip": {"vision_config": SMALL | LAYERS | {"patch_size": 8}, "text_config": LAYERS | {"vocab_size": 99}},
}
KINDS = ("timm", "timm:test_convnext", "torchvision:shufflenet_v2_x0_5", *HUGGING_FACE)


def make_classifiers(folder: Path, kind: str) -> Path:
    """Write base, experts, images and the suite file of two classifiers with 4 and 3 classes; returns that file."""
    weights = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        base = _model(kind, 4)
        weights["base"] = _save(base, kind, folder / "base")
        for task, classes in TASKS.items():
            expert = _model(kind, len(classes))
            fixed = {name: x for name, x in base.state_dict().items() if x.shape == expert.state_dict()[name].shape}
            expert.load_state_dict(expert.state_dict() | fixed)
            with torch.no_grad():
                for parameter in expert.parameters():
                    parameter += 0.02 * torch.randn_like(parameter)
            weights[task] = _save(expert, kind, folder / task)
    tasks = []
    for task, classes in TASKS.items():
        random, arrays = np.random.default_rng(len(classes)), {}
        for split in ("train", "held-out", "test"):
            arrays[f"{split}_images"] = random.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
            arrays[f"{split}_labels"] = np.arange(8) % len(classes)
        np.savez(folder / f"{task}.npz", **arrays)
        own: dict[str, Any] = {"name": task, "expert": {"weights": weights[task]}, "classes": list(classes)}
        own["data"] = {"kind": "arrays", "path": f"{task}.npz"}
        if kind == "clip_vision_model":  # It has no head of its own.
            layer = {"weight": torch.randn(len(classes), 32), "bias": torch.randn(len(classes))}
            save_file(layer, folder / f"{task}-head.safetensors")
            own["head"] = f"{task}-head.safetensors"
        tasks.append(own)
    arch = "transformers" if kind in HUGGING_FACE else kind
    suite = {"name": "classifiers", "base": {"arch": arch, "weights": weights["base"]}, "tasks": tasks}
    path = folder / "classifiers.yaml"
    path.write_text(yaml.safe_dump(suite, sort_keys=False))
    return path


def _model(kind: str, classes: int) -> nn.Module:
    if kind in HUGGING_FACE:
        config = transformers.AutoConfig.for_model(kind, num_labels=classes, architectures=[], **HUGGING_FACE[kind])
        pooled = kind == "clip_vision_model"
        return (transformers.AutoModel if pooled else transformers.AutoModelForImageClassification).from_config(config)
    if kind.startswith("torchvision:"):
        return get_model(kind.removeprefix("torchvision:"), weights=None, num_classes=classes)
    if kind == "timm":
        return timm.create_model(TIMM["architecture"], num_classes=classes, **TIMM["model_args"])
    return timm.create_model(kind.removeprefix("timm:"), num_classes=classes)


def _save(model: nn.Module, kind: str, place: Path) -> str:
    """Write it as its library does; returns what the suite file calls it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind in HUGGING_FACE:
        model.save_pretrained(place)
        return place.name
    if kind == "timm":
        place.mkdir()
        save_file(model.state_dict(), place / "model.safetensors")
        (place / "config.json").write_text(json.dumps(TIMM))
        return place.name
    torch.save(model.state_dict(), place.with_suffix(".pth"))
    return f"{place.name}.pth"
