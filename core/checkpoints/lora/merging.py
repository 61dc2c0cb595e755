"""Adapters of PEFT added to a base: scale · B · A for each matrix that they adapt.

LoRA: Hu et al. (2022), https://arxiv.org/abs/2106.09685; rank-stabilised scale: Kalajdzievski (2023),
https://arxiv.org/abs/2312.03732; DoRA: Liu et al. (2024), https://arxiv.org/abs/2402.09353.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from core.checkpoints.lora.names import Module, Names, of_text, understand
from core.checkpoints.lora.options import Scales, check
from core.checkpoints.lora.places import Place, locate
from core.checkpoints.opening import Opened
from core.errors import BadCheckpoint
from core.lazily import torch

TWICE = ".base_layer.out_proj"
"""The output of PyTorch's attention: PEFT adds its B · A twice, in training too."""


@dataclass(frozen=True)
class Factors:
    """What an adapter learned for one matrix, as stored: without a magnitude, τ = scale · B · A."""

    a: torch.Tensor
    """`[rank, inputs]`"""
    b: torch.Tensor
    """`[outputs, rank]`"""
    scale: float
    magnitude: torch.Tensor | None = None
    """`[outputs]`: the length that DoRA gives each row of the adapted matrix."""

    def added_to(self, weight: torch.Tensor) -> torch.Tensor:
        """The adapted matrix, in the shape and element type of `weight`."""
        rows = weight.reshape(len(weight), -1) + self.scale * (self.b.to(weight) @ self.a.to(weight))
        if self.magnitude is not None:
            rows = rows * (self.magnitude.to(weight) / rows.norm(dim=1))[:, None]
        return rows.reshape(weight.shape)


class Adapter:
    """An adapter held against a base: its image encoder (open_clip's names without `visual.`, or names of its own).

    With `text`, the base is a text tower instead. Raises `BadCheckpoint` for everything that is not merged as PEFT
    does, by name.
    """

    def __init__(
        self,
        opened: Opened,
        base: Mapping[str, torch.Tensor],
        *,
        text: bool = False,
        rename: Callable[[str], str] = str,
    ) -> None:
        self._opened, self._base, self._file = opened, base, opened.path.name
        check(self._file, opened.config)
        names, texts = understand(opened), of_text(opened.source.table, opened.config)
        self._names = Names(
            {module: parts for module, parts in names.modules.items() if (parts.a in texts) == text},
            {own: name for own, name in names.saved.items() if (name in texts) == text},
        )
        if not self._names.modules and not self._names.saved:
            tower = "text tower" if text else "image encoder"
            raise BadCheckpoint(f"`{self._file}` should adapt the {tower}. Found nothing that it changes there.")
        self._places = locate(self._file, self._names, base, text=text, rename=rename)

    def factors(self) -> Iterator[tuple[Place, Factors]]:
        """Each matrix of the base that is adapted, and what was learned for it, read when its turn comes."""
        scales = Scales(self._file, self._opened.config)
        for module, parts in self._names.modules.items():
            place = self._places.get(parts.a)
            if place is None:
                raise BadCheckpoint(
                    f"`{self._file}` adapts `{module[:120]}`, which this base does not have. Give the base it was made "
                    "for."
                )
            # PEFT knows the attention's output by the name of the attention.
            scale = scales.of(module.partition(".base_layer.")[0], self._opened.source.table[parts.a].shape)
            scale *= 2 if module.endswith(TWICE) else 1
            yield place, _factors(self._opened, module, parts, scale, place.of(self._base[place.name]).shape)

    def merged(self) -> dict[str, torch.Tensor]:
        """The base with the adapter merged into it.

        What the adapter changes is float64: rounded to a half-precision base, most of a small B · A would be lost.
        """
        tensors = dict(self._base)
        for place, factors in self.factors():
            part = self._own(tensors, place)
            part.copy_(factors.added_to(part))
        for own, name in self._names.saved.items():
            if name in self._places:  # A head has no place in the base.
                [(_, found)] = self._opened.source.read((name,))
                there = self._places[name].of(self._base[self._places[name].name])
                if (found.shape, found.is_floating_point()) != (there.shape, there.is_floating_point()):
                    raise BadCheckpoint(
                        f"`{self._file}`: `{own[:120]}` should be {_told(there)}, as in the base. Found {_told(found)}."
                    )
                self._own(tensors, self._places[name]).copy_(found)
        return tensors

    def _own(self, tensors: dict[str, torch.Tensor], place: Place) -> torch.Tensor:
        """The place in a copy of the base's tensor, in float64 where it has fractions."""
        whole = self._base[place.name]
        if tensors[place.name] is whole:
            exact = torch.float64 if whole.is_floating_point() else whole.dtype
            tensors[place.name] = whole.cpu().to(exact, copy=True)
        return place.of(tensors[place.name])


def _factors(opened: Opened, module: str, parts: Module, scale: float, shape: torch.Size) -> Factors:
    """Read the factors of a matrix of this shape, if they fit it."""
    file, table = opened.path.name, opened.source.table
    a, b = table[parts.a].shape, table[parts.b].shape
    if not (len(a) == len(b) == len(shape) and b[1] == a[0] and (b[0], *a[1:]) == shape):
        raise BadCheckpoint(
            f"`{file}`: `{module[:120]}` should adapt a matrix of shape {list(shape)}. Found B {list(b)} · A {list(a)}."
        )
    if prod(b[2:]) != 1:
        raise BadCheckpoint(f"`{file}`: lora_B of `{module[:120]}` should be a 1 × 1 convolution. Found {list(b)}.")
    wanted = [name for name in (parts.a, parts.b, parts.magnitude) if name is not None]
    if wrong := [name for name in wanted if "float" not in table[name].dtype]:
        raise BadCheckpoint(f"`{file}`: `{wrong[0][:120]}` should have floating-point numbers.")
    if parts.magnitude is not None and table[parts.magnitude].numel != shape[0]:
        found = list(table[parts.magnitude].shape)
        raise BadCheckpoint(
            f"`{file}`: lora_magnitude_vector of `{module[:120]}` should have {shape[0]} numbers. Found shape {found}."
        )
    read = [tensor for _, tensor in opened.source.read(wanted)]
    magnitude = read[2].reshape(-1) if parts.magnitude is not None else None
    return Factors(read[0].reshape(a[0], -1), read[1].reshape(b[0], -1), scale, magnitude)


def _told(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
