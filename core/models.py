"""open_clip models: the image encoder that is merged and the text tower that makes the heads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from core.errors import BadSuite, UnknownName

VISUAL = "visual."
"""Prefix of the image encoder's tensors in an open_clip state dict."""


@dataclass(frozen=True)
class Architecture:
    """What a model is built from, without its weights."""

    name: str
    config: dict[str, Any]
    """open_clip configuration: `embed_dim`, `vision_cfg`, `text_cfg` and options."""
    mean: tuple[float, float, float] = open_clip.OPENAI_DATASET_MEAN
    std: tuple[float, float, float] = open_clip.OPENAI_DATASET_STD

    @property
    def image_size(self) -> int:
        """Height and width of the encoder's input, in pixels."""
        size = self.config["vision_cfg"].get("image_size", 224)
        return int(size if isinstance(size, int) else size[0])


def architecture(name: str, file: Path | None = None) -> Architecture:
    """The architecture called `name`: an open_clip model name, or the JSON configuration in `file`.

    Raises `UnknownName` for a name that open_clip does not have, `BadSuite` for an unusable configuration file.
    """
    if file is None:
        config = open_clip.get_model_config(name)
        if config is None:
            raise UnknownName("architecture", name, ["a path to a .json configuration", *open_clip.list_models()])
        return Architecture(name, config)
    try:
        config = json.loads(file.read_text("utf-8"))
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
            raise ValueError("a key is missing")
    except (OSError, ValueError, TypeError) as error:
        raise BadSuite(
            f"`{file}` should be a JSON file with embed_dim, vision_cfg and text_cfg (an open_clip configuration). "
            f"Found: {error}."
        ) from None
    return Architecture(name, config)


def build(arch: Architecture, device: str = "cpu") -> nn.Module:
    """The open_clip model with weights yet to be loaded, in evaluation mode.

    On device "meta" it takes neither time nor memory: its weights are then given with each call.
    """
    config = {**arch.config}
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    try:
        with torch.device(device):
            model: nn.Module = kind(**config)
    except (TypeError, ValueError, AssertionError, ZeroDivisionError) as error:
        raise BadSuite(f"`{arch.name}` is not a usable open_clip configuration: {error}.") from None
    return model.eval().requires_grad_(False)


def normalise(arch: Architecture, images: Tensor) -> Tensor:
    """uint8 `[N, H, W, 3]` -> float32 `[N, 3, S, S]` on the same device: resized if needed, normalised per channel."""
    x = images.permute(0, 3, 1, 2).float() / 255
    size = arch.image_size
    if x.shape[-2:] != (size, size):
        x = nn.functional.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(v, device=x.device).view(1, 3, 1, 1) for v in (arch.mean, arch.std))
    return (x - mean) / std
