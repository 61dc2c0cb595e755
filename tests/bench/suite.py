"""A suite of random weights for an open_clip architecture, large as the real one, on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import torch
import yaml
from safetensors.torch import save_file

CLASSES = 10


def make_suite(folder: Path, arch: str, experts: int, images: int, seed: int = 0) -> Path:
    """Write a random base of `arch`, `experts` perturbed copies and random images; return the suite file."""
    torch.manual_seed(seed)
    model = open_clip.create_model(arch)
    size = model.visual.image_size
    size = size if isinstance(size, int) else size[0]
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "base.safetensors")
    tower = {name: tensor for name, tensor in state.items() if name.startswith("visual.")}
    for index in range(experts):
        save_file({n: t + 1e-3 * torch.randn_like(t) for n, t in tower.items()}, folder / f"task{index}.safetensors")
        random = np.random.default_rng([seed, index])
        pixels = random.integers(0, 256, (images, size, size, 3), np.uint8)
        np.savez(folder / f"task{index}.npz", test_images=pixels, test_labels=np.arange(images) % CLASSES)
    tasks = [
        {
            "name": f"task{index}",
            "expert": {"weights": f"task{index}.safetensors"},
            "data": {"kind": "arrays", "path": f"task{index}.npz"},
            "classes": [f"class {number}" for number in range(CLASSES)],
            "templates": ["a photo of {}"],
        }
        for index in range(experts)
    ]
    path = folder / "bench.yaml"
    base = {"arch": arch, "weights": "base.safetensors"}
    path.write_text(yaml.safe_dump({"name": "bench", "base": base, "tasks": tasks}))
    return path
