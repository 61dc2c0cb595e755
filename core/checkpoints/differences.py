"""An expert held against its base: by name, shape, element type and value, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.lazily import torch

SHOWN = 6
POSITIONS = ("positional_embedding", "pos_embed")
"""Their number of rows depends on the size of the images."""


class DifferenceKind(StrEnum):
    """What can be wrong with one tensor."""

    MISSING = "missing"
    UNEXPECTED = "unexpected"
    SHAPE = "shape"
    DTYPE = "element type"
    NONFINITE = "NaN or infinity"


@dataclass(frozen=True)
class Difference:
    """One tensor of an expert that does not fit the base."""

    tensor: str
    problem: DifferenceKind
    expected: str
    found: str

    def __str__(self) -> str:
        match self.problem:
            case DifferenceKind.MISSING | DifferenceKind.UNEXPECTED:
                return f"{self.tensor} is {self.problem}"
            case DifferenceKind.SHAPE:
                return f"{self.tensor} should have shape {self.expected}, found {self.found}"
            case DifferenceKind.DTYPE:
                return f"{self.tensor} should be {self.expected}, found {self.found} (set `cast: true` to convert)"
            case DifferenceKind.NONFINITE:
                return f"{self.tensor} holds NaN or infinite values"


def differences(
    base: Mapping[str, torch.Tensor], expert: Mapping[str, torch.Tensor], names: Sequence[str], cast: bool = False
) -> list[Difference]:
    """All of them; `names` are the tensors that an expert has to have, and `cast` accepts other element types.

    Others, its buffers, may be missing or of another type, but where it has them, they have the base's shape.
    """
    found = [Difference(name, DifferenceKind.MISSING, "a tensor", "none") for name in names if name not in expert]
    found += [Difference(name, DifferenceKind.UNEXPECTED, "none", "a tensor") for name in expert if name not in base]
    needed = set(names)
    for name in (*names, *(name for name in expert if name not in needed)):
        if name in expert and name in base:
            own, other = expert[name], base[name]
            if own.shape != other.shape:
                found.append(Difference(name, DifferenceKind.SHAPE, str(list(other.shape)), str(list(own.shape))))
            elif own.dtype != other.dtype and name in needed and not cast:
                found.append(Difference(name, DifferenceKind.DTYPE, str(other.dtype), str(own.dtype)))
    return found


def not_finite(tensors: Mapping[str, torch.Tensor]) -> list[Difference]:
    """The tensors with NaN, infinity, or what is infinite in float32, the format of what is merged."""
    return [
        Difference(name, DifferenceKind.NONFINITE, "finite numbers", "NaN or infinity")
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all()
    ]


def told(file: str, found: Sequence[Difference]) -> str:
    """The first of an expert's differences in one sentence, and what helps."""
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"`{file}` does not fit the base: {'; '.join(map(str, found[:SHOWN]))}{more}.{remedy(found)}"


def remedy(found: Sequence[Difference]) -> str:
    """A sentence, after a space, on what to do about differences that have one cause; empty for others."""
    if any(one.tensor.endswith(POSITIONS) and one.problem == DifferenceKind.SHAPE for one in found):
        return (
            " It was trained at another image size than the base, hence with another number of positions. Give one "
            "trained at the base's size, or interpolate its positional embedding to that size and save it again "
            "(open_clip's `resize_pos_embed`, timm's `resample_abs_pos_embed`)."
        )
    return ""


def spoiled(file: str, found: Sequence[Difference], prefix: str = "") -> str:
    """What `not_finite` found in one sentence; `prefix` is what the file has before the names."""
    shown = ", ".join(f"`{prefix}{item.tensor}`" for item in found[:4]) + (", …" if len(found) > 4 else "")
    subject = f"tensor {shown} holds" if len(found) == 1 else f"tensors {shown} hold"
    return f"`{file}`: {subject} NaN or infinite values; it can't be merged."
