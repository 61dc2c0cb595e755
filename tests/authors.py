"""A folder as the AdaMerging authors lay theirs out: pickled encoders below the model's name, and image folders."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.tiny import CLASSES, make_suite

TASKS = ("SUN397", "EuroSAT")


def make_folder(root: Path, tasks: Sequence[str] = TASKS, *, heads: bool = False) -> Path:
    """Write `ViT-tiny/zeroshot.pt`, `ViT-tiny/<Task>/finetuned.pt`, `images/<Task>/<split>/<class>/*.png` and the
    model's configuration below `root`; the numbers are those of the tiny suite. Returns `root`."""
    source = root.parent / f"{root.name} source"
    make_suite(source, names=tasks)
    model = root / "ViT-tiny"
    model.mkdir(parents=True)
    _pickle(source / "base.safetensors", model / "zeroshot.pt")
    shutil.copy(source / "config.json", root / "tiny_model.json")
    for task in tasks:
        _pickle(source / f"{task}.safetensors", model / task / "finetuned.pt")
        if heads:
            torch.save({"weight": torch.randn(len(CLASSES), 16)}, model / f"head_{task}.pt")
        arrays = np.load(source / f"{task}.npz")
        for split in ("train", "test"):
            for index, (pixels, label) in enumerate(
                zip(arrays[f"{split}_images"], arrays[f"{split}_labels"], strict=True)
            ):
                path = root / "images" / task / split / CLASSES[label] / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root


def _pickle(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    torch.save({f"model.{name}": tensor for name, tensor in load_file(source).items()}, target)
