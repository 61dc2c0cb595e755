"""Image classifiers of timm, by name or by the `config.json` of a folder laid out as on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.encoders.family import PROBE, Family, headless, read_json, require_modest
from core.encoders.models import Architecture
from core.errors import BadSuite, UnknownName

if TYPE_CHECKING:
    from torch import nn


FORBIDDEN = {"pretrained", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "features_only",
             "num_classes", "in_chans", "scriptable", "exportable", "no_jit"}  # fmt: skip
"""Arguments of `timm.create_model` that would open other files, or build something else than a classifier of images."""


class Timm(Family):
    """`timm:NAME`, such as `timm:vit_small_patch16_224`, or `timm` where the folder of the weights says which."""

    def describe(self, name: str, file: Path | None) -> Architecture:
        """The model of that name, or of a folder's configuration, with its own preprocessing."""
        import timm
        from timm.data.config import resolve_data_config

        said: Mapping[str, Any] = {} if file is None else read_json(file)
        options, called = said.get("model_args") or {}, str(said.get("architecture") or name)
        if not isinstance(options, dict):
            raise BadSuite(f"`{file}`: model_args should be an object. Found {str(options)[:60]!r}.")
        if strange := sorted(FORBIDDEN & set(options)):
            raise BadSuite(f"`{file}`: model_args should be about the model. Found {', '.join(strange)}; remove it.")
        if file is not None:
            require_modest(file, options)
        if not timm.is_model(called):
            raise UnknownName("architecture of timm", called, timm.list_models())
        usual = timm.get_pretrained_cfg(called)
        taken = (usual.to_dict() if usual else {}) | dict(said.get("pretrained_cfg") or {})
        if isinstance(side := options.get("img_size"), int):
            taken |= {"input_size": (3, side, side)}
        found = resolve_data_config(pretrained_cfg=taken)
        height, width = map(int, found["input_size"][1:])
        resized = int(height / float(found["crop_pct"]))
        squash = found["crop_mode"] == "squash"
        return Architecture(
            name=f"timm:{called}", config={"name": called, "options": options}, family="timm",
            mean=tuple(found["mean"]), std=tuple(found["std"]),
            interpolation=found["interpolation"] if found["interpolation"] in ("bilinear", "bicubic") else "bicubic",
            size=(height, width), resized=None if squash else resized, resize_mode="squash" if squash else "shortest",
        )  # fmt: skip

    def encoder(self, arch: Architecture) -> tuple[nn.Module, str]:
        """The model without its classifier; what else belongs to the head (a norm, pooling) stays."""
        import timm

        config = arch.config
        return headless(arch, timm.create_model(config["name"], num_classes=PROBE, **config["options"]))

    def versions(self) -> list[str]:
        """timm's."""
        return [version("timm")]
