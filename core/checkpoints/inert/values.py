"""What a pickle is turned into: descriptions that can do nothing, of calls too."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from core.checkpoints.source import BYTES, MAX_DIMENSIONS, is_count

Value: TypeAlias = Any
"""A plain str, bytes, int, float, bool, None, list, tuple or dict with text keys, or one of the classes below."""

DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}

SPECIAL = "If it is quantised (8 bits, 4 bits), give the weights from before that, in float32, float16 or bfloat16."


class Refusal(Exception):
    """The file holds something that is not read; the text says what. Becomes a `BadCheckpoint` with the file's name."""

    def __init__(self, found: str, remedy: str = "Save it as safetensors, or fetch it again.") -> None:
        super().__init__(found)
        self.remedy = remedy


def require(condition: bool, otherwise: str) -> None:
    """Raise `Refusal` unless `condition` holds."""
    if not condition:
        raise Refusal(otherwise)


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function. It is never looked up, let alone imported."""

    name: str

    @property
    def dtype(self) -> str | None:
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
    dtype: str
    numel: int

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return BYTES[self.dtype]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.numel * self.itemsize


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


def call(name: str, arguments: Value) -> Value:
    """What calling `name` would give, described; a `Made` but for the few calls that occur in checkpoints."""
    require(type(arguments) is tuple, "a call without arguments")
    meaning = CALLS.get(name)
    return Made(name) if meaning is None else meaning(*arguments)


def _tensor(storage: Value = None, offset: Value = 0, shape: Value = (), stride: Value = (), *_: Value) -> Value:
    """`_rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks)`."""
    require(type(storage) is StorageRef and is_count(offset), "a tensor without a storage")
    require(type(shape) is tuple and type(stride) is tuple, "a tensor with a malformed shape")
    require(len(shape) == len(stride) <= MAX_DIMENSIONS, "a tensor with a malformed shape")
    require(all(map(is_count, (*shape, *stride))), "a tensor with a malformed shape")
    tensor = TensorRef(storage, offset, shape, stride)
    require(tensor.numel <= storage.numel, "a tensor that is larger than its storage")
    require(tensor.numel == 0 or offset + tensor.reach <= storage.numel, "a tensor that reaches beyond its storage")
    return tensor


def _parameter(data: Value = None, *_: Value) -> Value:
    """`_rebuild_parameter(data, requires_grad, backward_hooks)`."""
    return data


def _ordered_dict(pairs: Value = (), *_: Value) -> Value:
    """`OrderedDict(pairs)`; entries whose key is no text do not matter to a checkpoint."""
    table: dict[str, Value] = {}
    require(type(pairs) in (list, tuple), "an odd dictionary")
    for pair in pairs:
        require(type(pair) in (list, tuple) and len(pair) == 2, "an odd dictionary")
        put(table, pair[0], pair[1])
    return table


def _set(items: Value = (), *_: Value) -> Value:
    """`set(items)` as a list: hashing what the file chose could be made to take for ever."""
    return list(items) if type(items) in (list, tuple) else []


def put(table: dict[str, Value], key: Value, value: Value) -> None:
    """One entry of a dictionary; only text keys are kept, and none may occur twice."""
    if type(key) is str:
        require(key not in table, f"`{key[:60]}` twice in one dictionary")
        table[key] = value


CALLS: dict[str, Callable[..., Value]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "collections.OrderedDict": _ordered_dict,
    "builtins.dict": _ordered_dict,
    "__builtin__.dict": _ordered_dict,
    "builtins.set": _set,
    "__builtin__.set": _set,
}
