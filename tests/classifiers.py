"""Folders of Hugging Face classifiers as people have them: a base without a head, experts with theirs, and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip
LABELS = {"shapes": ("triangle", "circle", "square"), "colours": ("red", "blue")}


def hugging_face_folder(root: Path) -> Path:
    """A base, an expert for each task, and images in class folders; heads are not in the folders' order."""
    from transformers import ViTConfig, ViTForImageClassification, ViTModel

    torch.manual_seed(0)
    base: Any = ViTModel(ViTConfig(**SMALL), add_pooling_layer=False)
    base.save_pretrained(root / "base")
    draws = np.random.default_rng(0)
    for task, labels in LABELS.items():
        numbers = {name: row for row, name in enumerate(labels)}
        config = ViTConfig(**SMALL, id2label=dict(enumerate(labels)), label2id=numbers)
        expert: Any = ViTForImageClassification(config)
        noise = {name: one + 0.02 * torch.randn_like(one) for name, one in base.state_dict().items()}
        expert.vit.load_state_dict(noise)
        expert.classifier.bias.data.normal_(std=0.1)
        expert.save_pretrained(root / f"vit-{task}")
        for split, count in {"train": 6, "test": 10}.items():
            for name in labels:
                folder = root / "images" / task / split / name
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(folder / f"{number}.png")
    return root
