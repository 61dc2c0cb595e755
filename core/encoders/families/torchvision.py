"""Image classifiers of torchvision, by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.encoders.family import Family
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

    def model(self, arch: Architecture, classes: int) -> nn.Module:
        """The model of that name."""
        from torchvision.models import get_model

        found: nn.Module = get_model(arch.config["name"], weights=None, num_classes=classes, **_options(arch))
        return found

    def versions(self) -> list[str]:
        """torchvision's."""
        return [version("torchvision")]

    def configuration(self, arch: Architecture, model: nn.Module, classes: Sequence[str]) -> dict[str, Any]:
        """torchvision has none: what a person has to know to use the weights."""
        return {
            "library": self.name,
            "architecture": arch.config["name"],
            "label_names": list(classes),
            "image_size": list(arch.input_size),
            "resize_size": arch.resized,
            "interpolation": arch.interpolation,
            "mean": list(arch.mean),
            "std": list(arch.std),
        }

    def loading(self, arch: Architecture, model: nn.Module, head: str, task: str) -> str:
        """The head decides for how many classes the model is built."""
        options = "".join(f", {name}={value}" for name, value in _options(arch).items())
        return f"""\
from safetensors.torch import load_file
from torchvision.models import get_model

head = load_file("heads/{task}.safetensors")
model = get_model("{arch.config["name"]}", num_classes=len(head["{head}.weight"]){options}).eval()
model.load_state_dict(load_file("model.safetensors") | head)"""


def _options(arch: Architecture) -> dict[str, bool]:
    """The parts that only training needs are left out, and first values, which take long and are replaced."""
    return {"aux_logits": False, "init_weights": False} if arch.config["name"] in ("googlenet", "inception_v3") else {}
