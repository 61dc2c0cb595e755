"""What a pickle is turned into: descriptions that can do nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

Value: TypeAlias = Any
"""A plain str, bytes, int, float, bool, None, list, tuple or dict with text keys, or one of the classes below."""

LIMIT = 2**40
MAX_DIMENSIONS = 16

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Refusal(Exception):
    """The file holds something that is not read; the text says what. Becomes a `BadCheckpoint` with the file's name."""


def require(condition: bool, otherwise: str) -> None:
    """Raise `Refusal` unless `condition` holds."""
    if not condition:
        raise Refusal(otherwise)


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function. It is never looked up, let alone imported."""

    name: str

    @property
    def dtype(self) -> torch.dtype | None:
        """The element type, where this names one of PyTorch's storage classes."""
        module, _, name = self.name.rpartition(".")
        return DTYPES.get(name) if module in ("torch", "torch.cuda") else None


@dataclass(eq=False, slots=True)
class Made:
    """What a call of `maker` would have made, and the state that it would have been given."""

    maker: str
    state: dict[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class StorageRef:
    """A run of numbers elsewhere in the file."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A dense tensor: a view of a storage."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def reach(self) -> int:
        """How many numbers of the storage it spans, from the first to the last that it uses."""
        if self.numel == 0:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.stride, strict=True))


def is_count(value: Value) -> bool:
    """Whether it is an integer (not a bool) that can be a size in elements."""
    return type(value) is int and 0 <= value < LIMIT
