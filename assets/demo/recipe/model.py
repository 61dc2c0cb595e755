"""The tiny CLIP of the demo: its shape, its inputs, its zero-shot heads."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from .tasks import Task

# Patch 6 loses nothing (108 numbers a patch, width 128) and costs 2.4 times less than patch 4.
CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 32,
        "layers": 6,
        "width": 128,
        "head_width": 32,
        "patch_size": 6,
        "mlp_ratio": 4.0,
    },
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073)).view(1, 3, 1, 1)
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711)).view(1, 3, 1, 1)
# One thread: two wait for each other on a busy machine, and tensors this small gain little.
THREADS = 1


def plain_attention() -> AbstractContextManager[None]:
    """Attention by two matrix products: twice as fast as the fused kernel at 26 tokens, most of it in the backward."""
    return sdpa_kernel(SDPBackend.MATH)


def build() -> open_clip.CLIP:
    """An untrained model of the demo's shape."""
    return open_clip.CLIP(**CONFIG)


@cache
def tokenizer() -> open_clip.SimpleTokenizer:
    """open_clip's tokenizer at the demo's context length."""
    return open_clip.SimpleTokenizer(context_length=CONFIG["text_cfg"]["context_length"])


def inputs(images: Tensor) -> Tensor:
    """[N, 32, 32, 3] uint8 to normalised [N, 3, 32, 32] float32."""
    return (images.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def varied(images: Tensor, strength: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """As `inputs`, with random rotation (±10°), scale (±13 %), shift (±2 px), contrast and colour cast."""
    n = len(images)

    def spread(*shape: int, by: float) -> Tensor:
        return (torch.rand(shape, generator=generator) * 2 - 1) * by * strength

    turn, scale, shift = spread(n, by=0.17), 1 + spread(n, by=0.13), spread(n, 2, by=0.12)
    rows = torch.stack(
        [
            turn.cos() * scale,
            -turn.sin() * scale,
            shift[:, 0],
            turn.sin() * scale,
            turn.cos() * scale,
            shift[:, 1],
        ],
        1,
    )
    pixels = images.permute(0, 3, 1, 2).float() / 255
    grid = F.affine_grid(rows.view(n, 2, 3), list(pixels.shape), align_corners=False)
    pixels = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    pixels = ((pixels - 0.5) * (1 + spread(n, 1, 1, 1, by=0.25)) + 0.5 + spread(n, 3, 1, 1, by=0.1)).clamp(0, 1)
    return (pixels - MEAN) / STD


@torch.no_grad()
def head(model: open_clip.CLIP, task: Task) -> Tensor:
    """[classes, dim]: normalised mean over templates of normalised text features, times exp(logit_scale)."""
    texts = [
        F.normalize(model.encode_text(tokenizer()([t.format(c) for c in task.classes])), dim=-1) for t in task.templates
    ]
    return F.normalize(torch.stack(texts).mean(0), dim=-1) * model.logit_scale.exp()


def load_split(folder: Path, task: Task, split: str) -> tuple[Tensor, Tensor]:
    """Images and labels of one split."""
    with np.load(folder / f"{task.name}.npz") as archive:
        return torch.from_numpy(archive[f"{split}_images"]), torch.from_numpy(archive[f"{split}_labels"])


@torch.no_grad()
def logits(visual: nn.Module, weights: Tensor, images: Tensor) -> Tensor:
    """Centre pixels, float32."""
    visual.eval()
    return torch.cat([F.normalize(visual(inputs(part)), dim=-1) @ weights.T for part in images.split(256)])


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Percent."""
    return (scores.argmax(1) == labels).float().mean().item() * 100


def entropy(scores: Tensor) -> Tensor:
    """Mean entropy of the predictions, in nats."""
    log = scores.log_softmax(1)
    return -(log.exp() * log).sum(1).mean()


def cosine(step: float, total: float, warm_up: float) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine to zero."""
    return min(1.0, (step + 1) / max(1.0, warm_up)) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, step / total)))
