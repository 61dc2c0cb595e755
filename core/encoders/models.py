"""What a model is built from: open_clip's architectures, by name, and those of JSON configurations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core import paths, remembered
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

    tokenizer: Path | None = None
    """A folder with the tokenizer, where it is not CLIP's own."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the encoder's input, in pixels."""
        size = self.config["vision_cfg"].get("image_size", 224)
        return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @property
    def image_size(self) -> int:
        """Height of the encoder's input, in pixels."""
        return self.input_size[0]


def architecture(name: str, file: Path | None = None) -> Architecture:
    """The architecture called `name`: an open_clip model name, or the JSON configuration in `file`.

    Raises `UnknownName` for a name that open_clip does not have, `BadSuite` for an unusable configuration file.
    """
    if file is None:
        # open_clip itself also takes `hf-hub:…` and `local-dir:…`: those fetch, or open what is not in the suite.
        if name not in known():
            raise UnknownName("architecture", name, ["a path to a .json configuration", *known()])
        said = deepcopy(known()[name])
        return Architecture(name, _self_contained(name, said["config"]), **_input(said["input"]))
    try:
        config = json.loads(file.read_text("utf-8"))
        taken: dict[str, Any] = {}
        if "model_cfg" in config:  # open_clip_config.json of the hub has both.
            config, taken = config["model_cfg"], config.get("preprocess_cfg") or {}
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
            raise ValueError("a key is missing")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadSuite(
            f"`{file}` should be a JSON file with embed_dim, vision_cfg and text_cfg (an open_clip configuration). "
            f"Found: {error}."
        ) from None
    return Architecture(name, _self_contained(name, config), **_input(taken))


def _input(taken: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(taken[key]) if key in ("mean", "std") else taken[key] for key in _INPUT if taken.get(key)}


def _self_contained(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration, unless building the image tower from it would fetch something."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    if not isinstance(vision, dict) or not isinstance(text, dict):
        raise BadSuite(f"`{name}` should have objects as vision_cfg and text_cfg (an open_clip configuration).")
    if vision.get("timm_model_pretrained") or vision.get("hf_model_name"):
        raise BadSuite(
            f"`{name}` should be an architecture whose image tower is built without fetching anything. Found: "
            f"{'timm_model_pretrained' if vision.get('timm_model_pretrained') else 'hf_model_name'} in vision_cfg."
        )
    return config


@cache
def known() -> Mapping[str, Mapping[str, dict[str, Any]]]:
    """What open_clip says of each of its models: `config`, and `input`, what most of its pretrained weights take images
    through. Remembered for each of its releases, since importing it takes seconds."""
    found: dict[str, dict[str, Any]] = remembered.value(
        paths.cache() / "open_clip.json", version("open_clip_torch"), _asked
    )
    return found


def _asked() -> dict[str, Any]:
    import open_clip

    return {
        name: {"config": open_clip.get_model_config(name), "input": _usual_input(name)}
        for name in open_clip.list_models()
    }


def _usual_input(name: str) -> dict[str, Any]:
    """What most pretrained weights of a model of open_clip take their images through; nothing where it has none."""
    import open_clip

    tags = [open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]
    kinds = Counter(tuple((key, one[key]) for key in _INPUT if one.get(key) is not None) for one in tags)
    return dict(kinds.most_common(1)[0][0]) if kinds else {}
