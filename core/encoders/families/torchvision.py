"""Image classifiers of torchvision, by name."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from core.encoders.family import PROBE, Family, headless
from core.encoders.models import Architecture
from core.errors import BadSuite, UnknownName

if TYPE_CHECKING:
    from torch import nn


class Torchvision(Family):
    """`torchvision:NAME`, such as `torchvision:resnet50`."""

    def describe(self, name: str, file: Path | None) -> Architecture:
        """The model of that name, with the images that its newest weights take."""
        import torchvision
        from torchvision.models import get_model_weights, list_models

        known = list_models(module=torchvision.models)
        if name not in known:
            raise UnknownName("architecture of torchvision", name, known)
        weights = get_model_weights(name).DEFAULT
        taken = weights.transforms()
        if not hasattr(taken, "crop_size"):
            raise BadSuite(f"`torchvision:{name}` should be an image classifier. Found another kind of model.")
        [size], [resized] = taken.crop_size, taken.resize_size
        return Architecture(
            name=f"torchvision:{name}", config={"name": name}, family="torchvision", mean=tuple(taken.mean),
            std=tuple(taken.std), interpolation=taken.interpolation.value, size=(size, size), resized=resized,
        )  # fmt: skip

    def encoder(self, arch: Architecture) -> tuple[nn.Module, str]:
        """The model of that name without its last layer."""
        from torchvision.models import get_model

        options = {"aux_logits": False} if arch.config["name"] in ("googlenet", "inception_v3") else {}
        return headless(arch, get_model(arch.config["name"], weights=None, num_classes=PROBE, **options))

    def versions(self) -> list[str]:
        """torchvision's."""
        return [version("torchvision")]
