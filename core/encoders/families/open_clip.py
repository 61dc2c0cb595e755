"""CLIP towers of open_clip: what is merged is the image tower, and the text tower makes the heads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.encoders.family import OTHERS, Family
from core.encoders.models import INPUT, Architecture, known
from core.errors import BadSuite, UnknownName

if TYPE_CHECKING:
    from torch import Tensor, nn


class OpenClip(Family):
    """By the name of a model, or a JSON configuration."""

    def describe(self, name: str, file: Path | None) -> Architecture:
        """The model of that name, or of the configuration in `file`."""
        if file is None:
            # open_clip itself also takes `hf-hub:…` and `local-dir:…`: those fetch, or open what is not in the suite.
            if name not in known():
                others = ["a path to a .json configuration", *(f"{one}:NAME" for one in OTHERS[:2]), OTHERS[2]]
                raise UnknownName("architecture", name, [*others, *known()])
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

    def encoder(self, arch: Architecture) -> tuple[nn.Module, str]:
        """The image tower as `open_clip.create_model` would have it; CLIP has no head of its own."""
        from open_clip.model import _build_vision_tower

        config = arch.config
        tower = _build_vision_tower(config["embed_dim"], config["vision_cfg"], bool(config.get("quick_gelu")))
        return tower, ""

    def versions(self) -> list[str]:
        """open_clip's and that of timm, which has some of its towers."""
        return [version("open_clip_torch"), version("timm")]

    def features(self, output: Any) -> Tensor:
        """CoCa gives its caption tokens too."""
        found: Tensor = output[0] if isinstance(output, tuple) else output
        return found


def _input(taken: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(taken[key]) if key in ("mean", "std") else taken[key] for key in INPUT if taken.get(key)}


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
