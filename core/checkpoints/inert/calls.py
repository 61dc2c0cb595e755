"""What the few calls mean that occur in checkpoints; every other call makes a `Made`, which can do nothing."""

from __future__ import annotations

from collections.abc import Callable

from core.checkpoints.inert.values import MAX_DIMENSIONS, Made, StorageRef, TensorRef, Value, is_count, require


def call(name: str, arguments: Value) -> Value:
    """What calling `name` would give, described."""
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
