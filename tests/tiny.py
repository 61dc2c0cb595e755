"""A complete suite of random numbers, built in a fraction of a second, for tests that need no accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import yaml
from safetensors.torch import save_file

IMAGE_SIZE = 16
CLASSES = ("red", "green", "blue", "grey")
TEMPLATES = ("a patch of {}",)
CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": IMAGE_SIZE, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
SPLITS = {"train": 24, "held-out": 24, "test": 32}


def make_suite(
    folder: Path, tasks: int = 3, seed: int = 0, *, name: str = "tiny", names: Sequence[str] = (), labelled: bool = True
) -> Path:
    """Write config, base, experts, images and the suite file `name`.yaml below `folder`; return the suite file.

    The tasks are called `names`, or `task0`, `task1`, …; experts are the base plus a small random perturbation.
    Equal arguments give equal bytes on every processor: random numbers are drawn in float64 and then rounded, since
    those that torch draws in float32 differ in their last bits. Without `labelled` nobody knows what the images show.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    base = _base(seed)
    save_file(base, folder / "base.safetensors")
    generator = torch.Generator().manual_seed(seed + 1)
    chosen = list(names) or [f"task{index}" for index in range(tasks)]
    for index, task in enumerate(chosen):
        save_file(_expert(base, generator), folder / f"{task}.safetensors")
        arrays = _images(np.random.default_rng([seed, index]))
        kept = {key: array for key, array in arrays.items() if labelled or not key.endswith("_labels")}
        np.savez(folder / f"{task}.npz", **kept)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(_description(name, chosen), sort_keys=False))
    return path


@lru_cache(maxsize=2)
def _base(seed: int) -> dict[str, torch.Tensor]:
    usual = torch.get_default_dtype()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            torch.set_default_dtype(torch.float64)
            model = open_clip.CLIP(**CONFIG)
        finally:
            torch.set_default_dtype(usual)
    return {name: tensor.contiguous() for name, tensor in model.float().state_dict().items()}


def _expert(base: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    tower = {name: tensor for name, tensor in base.items() if name.startswith("visual.")}

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        return (tensor + 0.02 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)).float()

    return {name: moved(tensor) for name, tensor in tower.items()}


def _images(random: np.random.Generator) -> dict[str, np.ndarray]:
    """Noise whose mean colour depends on the class, so that there is something to tell apart."""
    arrays = {}
    for split, count in SPLITS.items():
        labels = np.arange(count, dtype=np.int64) % len(CLASSES)
        images = random.integers(0, 160, (count, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
        for channel in range(3):
            images[labels == channel, :, :, channel] += 90
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images, labels
    return arrays


def _description(name: str, tasks: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "base": {"arch": "config.json", "weights": "base.safetensors"},
        "tasks": [
            {
                "name": task,
                "expert": {"weights": f"{task}.safetensors"},
                "data": {"kind": "arrays", "path": f"{task}.npz"},
                "classes": list(CLASSES),
                "templates": list(TEMPLATES),
            }
            for task in tasks
        ],
    }
