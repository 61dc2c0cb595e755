"""What a family of image encoders offers: those of one library, built from a configuration without weights."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.encoders.models import OPEN_CLIP, Architecture
from core.errors import BadSuite
from core.registry import Registry, named_by_file

if TYPE_CHECKING:
    from torch import Tensor, nn

OTHERS = ("timm", "torchvision", "transformers")
"""Families beside open_clip: `arch` begins with their name."""
BY_FOLDER = ("timm", "transformers")
"""Those that can be described by the configuration in the folder of the weights."""
CONFIGURATION = "config.json"
MAX_JSON = 8 * 2**20
LARGEST = 2**20
"""Whole number in a configuration; of layers and the like `DEEPEST`. Far beyond any model, but built within seconds."""
LARGEST_SIDE = 4096
"""Pixels of a side of an image."""
DEEPEST = 512
DEPTH = re.compile(r"layers|depth|blocks|stages|repeats")
PROBE = 7919
"""Classes of a classifier that is built to find its head: no model has a layer of that width otherwise."""


class Family(ABC):
    """The image encoders of one library; one file each in `core.encoders.families`."""

    name: ClassVar[str] = named_by_file()
    """What stands before the colon of `arch` in a suite file."""

    @abstractmethod
    def describe(self, name: str, file: Path | None) -> Architecture:
        """The architecture called `name` (without the family's), or that of the configuration in `file`.

        Raises `UnknownName` for a name that the library does not have, `BadSuite` for an unusable configuration.
        """

    def model(self, arch: Architecture, classes: int) -> nn.Module:
        """The library's own classifier for so many classes; nothing that open_clip has."""
        raise BadSuite(f"`{arch.name}` should be an image classifier. Found CLIP, which has no head of its own.")

    def encoder(self, arch: Architecture) -> tuple[nn.Module, str]:
        """The image encoder without a classification head, and the name of the linear layer that was its head.

        Under the default device; its parameters have the names that checkpoints of the family have (with `renaming`).
        """
        return headless(arch, self.model(arch, PROBE))

    @abstractmethod
    def versions(self) -> list[str]:
        """Of the libraries that decide what is built."""

    def features(self, output: Any) -> Tensor:
        """`[N, width]` from what a forward pass gives."""
        found: Tensor = output
        return found

    def renaming(self, arch: Architecture) -> Callable[[str], str]:
        """From a name in a checkpoint file to the parameter's own."""
        return str

    def stored(self, model: nn.Module) -> dict[str, Tensor]:
        """The tensors of a classifier under the names that a file has."""
        return model.state_dict()

    def configuration(self, arch: Architecture, model: nn.Module, classes: Sequence[str]) -> dict[str, Any]:
        """What the library writes beside the weights of a classifier with these classes."""
        raise NotImplementedError

    def preprocessing(self, arch: Architecture) -> dict[str, Any]:
        """What it has in a file of its own on how images are prepared; empty where that is in the configuration."""
        return {}

    def loading(self, arch: Architecture, model: nn.Module, head: str, task: str) -> str:
        """Lines of Python that load the classifier of a task in its exported folder, its head layer called `head`."""
        raise NotImplementedError


def headless(arch: Architecture, model: nn.Module) -> tuple[nn.Module, str]:
    """A classifier for `PROBE` classes without its head, and the head's name.

    Raises `BadSuite` where there is not exactly one linear layer for the classes.
    """
    from torch import nn

    found = [name for name, one in model.named_modules() if isinstance(one, nn.Linear) and one.out_features == PROBE]
    if len(found) != 1:
        raise BadSuite(
            f"`{arch.name}` should have one linear layer as its head. Found {', '.join(found) or 'none'}. Choose an "
            "architecture with one."
        )
    model.set_submodule(found[0], nn.Identity())
    return model, found[0]


FAMILIES = Registry("core.encoders.families", Family, "family of encoders")


def family(arch: Architecture) -> Family:
    """The family of an architecture."""
    return FAMILIES.get(arch.family)


def architecture(name: str, file: Path | None = None) -> Architecture:
    """The architecture called `name`: an open_clip model name, or the JSON configuration in `file`; `timm:NAME`,
    `torchvision:NAME`; `timm` or `transformers` for what the `config.json` beside the weights, `file`, says.

    Raises `UnknownName` for a name that the library does not have, `BadSuite` for an unusable configuration file.
    """
    first, _, own = name.partition(":")
    if first not in OTHERS:
        return FAMILIES.get(OPEN_CLIP).describe(name, file)
    try:
        found = FAMILIES.get(first).describe(own, file)
        sides = (*found.input_size, *([] if found.resized is None else [found.resized]))
        if not all(1 <= side <= LARGEST_SIDE for side in sides):
            raise ValueError(f"images of {' × '.join(map(str, sides))} pixels")
        if not (len(found.mean) == len(found.std) == 3 and all(map(isfinite, found.mean)) and min(found.std) > 0):
            raise ValueError(f"mean {found.mean} and std {found.std}")
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise BadSuite(f"`{file or name}` should describe a model and its images. Found: {error}.") from None
    return found


def require_modest(file: Path, config: Mapping[str, Any], most: int = LARGEST) -> None:
    """Raise `BadSuite` where a configuration asks for a model that would never be built."""
    for key, value in config.items():
        limit = DEEPEST if DEPTH.search(str(key)) else most
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, dict):
                require_modest(file, part, limit)
            elif isinstance(part, list):
                require_modest(file, {key: part}, limit)
            elif isinstance(part, int | float) and not abs(part) <= limit:
                raise BadSuite(f"`{file}`: `{str(key)[:60]}` should be at most {limit:,}. Found {part}.")


def read_json(file: Path, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object in a JSON file; `otherwise`, if given, where there is no such file."""
    if otherwise is not None and not file.is_file():
        return otherwise
    try:
        if file.stat().st_size > MAX_JSON:
            raise ValueError("it is too large")
        found = json.loads(file.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise BadSuite(f"`{file}` should be the JSON configuration of a model. Found: {error}.") from None
    return found
