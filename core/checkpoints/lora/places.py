"""Where in a base the matrices are that an adapter was trained for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from core.checkpoints import hugging_face
from core.checkpoints.lora.names import Names
from core.encoders.models import VISUAL
from core.errors import BadCheckpoint
from core.lazily import torch

DEEPEST = 8
"""Parts of a name that are tried as a prefix."""


@dataclass(frozen=True)
class Place:
    """A tensor of the base, or a part of one."""

    name: str
    third: int | None = None
    """Which third of its rows: 0, 1 and 2 are query, key and value."""
    turned: bool = False
    """Whether the base has it transposed."""

    def of(self, whole: torch.Tensor) -> torch.Tensor:
        """A view of the part, as the module has it that was adapted."""
        part = whole if self.third is None else whole.tensor_split(3)[self.third]
        return part.T if self.turned and part.ndim == 2 else part


def locate(
    file: str, names: Names, base: Mapping[str, torch.Tensor], *, text: bool, rename: Callable[[str], str] = str
) -> dict[str, Place]:
    """The place of each tensor in the file; of a module's two factors that of the first.

    `rename` gives a name the base's, where the library that trained it has changed them since. Tensors that the base
    does not have, such as a head, have none. Raises `BadCheckpoint` where two have the same.
    """
    prefixes = _prefixes(names.modules or names.saved)
    found = max((_located(names, prefix, base, text, rename) for prefix in prefixes), key=len)
    taken: dict[str, list[int | None]] = {}
    for name, place in found.items():
        parts = taken.setdefault(place.name, [])
        if place.third in parts or (parts and None in (place.third, *parts)):
            raise BadCheckpoint(f"`{file}` should adapt each tensor once. Found `{name[:120]}` and another for it.")
        parts.append(place.third)
    return found


def _prefixes(names: Iterable[str]) -> list[str]:
    """What names may have before those of the base, because the model was part of another: nothing comes first."""
    deepest = max(names, key=lambda name: name.count("."))
    parts = deepest.split(".")[:-1][:DEEPEST]
    return ["".join(f"{part}." for part in parts[:count]) for count in range(len(parts) + 1)]


def _located(
    names: Names, prefix: str, base: Mapping[str, torch.Tensor], text: bool, rename: Callable[[str], str]
) -> dict[str, Place]:
    found = {}
    for module, parts in names.modules.items():
        own = module.removeprefix(prefix).replace(".base_layer.", ".")
        # PyTorch's attention has one matrix for query, key and value, which is no module.
        names_of_matrix = (f"{own}.weight", f"{own}.in_proj_weight")
        if place := next(filter(None, (_place(name, base, text, rename) for name in names_of_matrix)), None):
            found[parts.a] = replace(place, turned=True) if parts.embedding else place
    for own, name in names.saved.items():
        if place := _place(own.removeprefix(prefix), base, text, rename):
            found[name] = place
    return found


def _place(name: str, base: Mapping[str, torch.Tensor], text: bool, rename: Callable[[str], str]) -> Place | None:
    if name in base:
        return Place(name)
    if (renamed := rename(name)) in base:
        return Place(renamed)
    target = hugging_face.to_open_clip(name)
    if target is None or target[0].startswith(VISUAL) == text or target[0].removeprefix(VISUAL) not in base:
        return None
    third = hugging_face.QKV.index(target[1]) if target[1] else None
    return Place(target[0].removeprefix(VISUAL), third, turned=name in hugging_face.PROJECTIONS)
