"""Image classifiers of timm, by name or by the `config.json` of a folder laid out as on the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.encoders.family import Family, read_json, require_modest
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

    def model(self, arch: Architecture, classes: int) -> nn.Module:
        """What else belongs to the head of the model (a norm, pooling) is part of the encoder."""
        import timm

        return timm.create_model(arch.config["name"], num_classes=classes, **arch.config["options"])

    def versions(self) -> list[str]:
        """timm's."""
        return [version("timm")]

    def configuration(self, arch: Architecture, model: nn.Module, classes: Sequence[str]) -> dict[str, Any]:
        """`config.json` of a folder of the hub."""
        usual: Any = model.pretrained_cfg
        known = {key: usual[key] for key in ("first_conv", "classifier", "pool_size", "fixed_input_size")}
        taken = known | {
            "num_classes": len(classes),
            "input_size": [3, *arch.input_size],
            "interpolation": arch.interpolation,
            "crop_pct": 1.0 if arch.resized is None else _share(arch.image_size, arch.resized),
            "crop_mode": "squash" if arch.resize_mode == "squash" else "center",
            "mean": list(arch.mean),
            "std": list(arch.std),
        }
        return {
            "architecture": arch.config["name"],
            "num_classes": len(classes),
            "num_features": model.num_features,
            "label_names": list(classes),
            "model_args": arch.config["options"],
            "pretrained_cfg": taken,
        }

    def loading(self, arch: Architecture, model: nn.Module, head: str, task: str) -> str:
        """The head decides for how many classes the model is built."""
        return f"""\
import timm
from safetensors.torch import load_file

head = load_file("heads/{task}.safetensors")
model = timm.create_model("local-dir:.", pretrained=True, num_classes=len(head["{head}.weight"])).eval()
model.load_state_dict(head, strict=False)"""


def _share(side: int, resized: int) -> float:
    """Which share of the resized image is cut out, with as few digits as timm needs to come to `resized` again."""
    shares = (round(side / resized, digits) for digits in range(1, 17))
    return next((share for share in shares if int(side / share) == resized), side / resized)
