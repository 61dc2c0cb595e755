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
        # open_clip itself also takes `hf-hub:…` and `local-dir:…`: those fetch, or open what is not in the suite.
        if name not in open_clip.list_models():
            raise UnknownName("architecture", name, ["a path to a .json configuration", *open_clip.list_models()])
        return Architecture(name, _self_contained(name, open_clip.get_model_config(name)))
    try:
        config = json.loads(file.read_text("utf-8"))
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
            raise ValueError("a key is missing")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadSuite(
            f"`{file}` should be a JSON file with embed_dim, vision_cfg and text_cfg (an open_clip configuration). "
            f"Found: {error}."
        ) from None
    return Architecture(name, _self_contained(name, config))


def _self_contained(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration, unless building from it would fetch weights or need a tokenizer other than CLIP's own."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    if not isinstance(vision, dict) or not isinstance(text, dict):
        raise BadSuite(f"`{name}` should have objects as vision_cfg and text_cfg (an open_clip configuration).")
    foreign = [key for key in ("hf_model_name", "hf_tokenizer_name") if text.get(key)]
    foreign += [key for key in ("timm_model_pretrained",) if vision.get(key)]
    if foreign:
        raise BadSuite(
            f"`{name}` should be an architecture with CLIP's own text tower and tokenizer and nothing to fetch. "
            f"Found: {', '.join(foreign)}."
        )
    return config


def build(arch: Architecture, device: str = "cpu") -> nn.Module:
    """The open_clip model with weights yet to be loaded, in evaluation mode.

    On device "meta" it takes neither time nor memory: its weights are then given with each call.
    """
    config = {**arch.config}
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    try:
        with torch.device(device):
            model: nn.Module = kind(**config)
    except (TypeError, ValueError, AssertionError, ZeroDivisionError, AttributeError, RuntimeError) as error:
        found = str(error).partition("\n")[0]
        raise BadSuite(f"`{arch.name}` is not a usable open_clip configuration: {found}.") from None
    return model.eval().requires_grad_(False)


def normalise(arch: Architecture, images: Tensor) -> Tensor:
    """uint8 `[N, H, W, 3]` -> float32 `[N, 3, S, S]` on the same device, normalised per channel.

    Other sizes are brought to S × S as open_clip does: the shorter side is resized to S, then the centre is cut out.
    """
    x = images.permute(0, 3, 1, 2).float() / 255
    size, (height, width) = arch.image_size, x.shape[-2:]
    if min(height, width) != size:
        scale = size / min(height, width)
        resized = (max(size, round(height * scale)), max(size, round(width * scale)))
        x = nn.functional.interpolate(x, size=resized, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (x.shape[-2] - size) // 2, (x.shape[-1] - size) // 2
    x = x[..., top : top + size, left : left + size]
    mean, std = (torch.tensor(v, device=x.device).view(1, 3, 1, 1) for v in (arch.mean, arch.std))
    return (x - mean) / std
