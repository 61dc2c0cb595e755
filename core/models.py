"""open_clip models: the image encoder that is merged and the text tower that makes the heads."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.errors import BadSuite, UnknownName

VISUAL = "visual."
"""Prefix of the image encoder's tensors in an open_clip state dict."""


_INPUT = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Architecture:
    """What a model is built from, without its weights."""

    name: str
    config: dict[str, Any]
    """open_clip configuration: `embed_dim`, `vision_cfg`, `text_cfg` and options."""
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    interpolation: str = "bicubic"
    """bicubic or bilinear."""
    resize_mode: str = "shortest"
    """How images get the input's size: `shortest` (side, then the centre is cut out) or `squash` (both sides)."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the encoder's input, in pixels."""
        size = self.config["vision_cfg"].get("image_size", 224)
        return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @property
    def image_size(self) -> int:
        """Height of the encoder's input, in pixels."""
        return self.input_size[0]

    def preprocessed(self, **changes: Any) -> Architecture:
        """The same with another `mean`, `std`, `interpolation` or `resize_mode`."""
        return replace(self, **changes)


def architecture(name: str, file: Path | None = None) -> Architecture:
    """The architecture called `name`: an open_clip model name, or the JSON configuration in `file`.

    Raises `UnknownName` for a name that open_clip does not have, `BadSuite` for an unusable configuration file.
    """
    if file is None:
        import open_clip  # Here and below: it takes a second or two, which lists and the first page need not wait for.

        # open_clip itself also takes `hf-hub:…` and `local-dir:…`: those fetch, or open what is not in the suite.
        if name not in open_clip.list_models():
            raise UnknownName("architecture", name, ["a path to a .json configuration", *open_clip.list_models()])
        return Architecture(name, _self_contained(name, open_clip.get_model_config(name)), **_usual_input(name))
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


def _usual_input(name: str) -> dict[str, Any]:
    """What most pretrained weights of a model of open_clip take their images through; nothing where it has none."""
    import open_clip

    known = [open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]
    kinds = Counter(tuple((key, one[key]) for key in _INPUT if one.get(key) is not None) for one in known)
    return dict(kinds.most_common(1)[0][0]) if kinds else {}


def build(arch: Architecture, device: str = "cpu") -> nn.Module:
    """The open_clip model with weights yet to be loaded, in evaluation mode.

    On device "meta" it takes neither time nor memory: its weights are then given with each call.
    """
    import open_clip

    config = {**arch.config}
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    try:
        with torch.device(device):
            model: nn.Module = kind(**config)
    except (TypeError, ValueError, AssertionError, ZeroDivisionError, AttributeError, RuntimeError) as error:
        found = str(error).partition("\n")[0]
        raise BadSuite(f"`{arch.name}` is not a usable open_clip configuration: {found}.") from None
    return model.eval().requires_grad_(False)
