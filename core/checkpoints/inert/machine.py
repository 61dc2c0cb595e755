"""The pickle machine: a stack, a memo, and the operations that PyTorch writes, as `pickletools` reads them.

It imports nothing that a file names and calls nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pickletools import genops
from typing import IO, Any, BinaryIO, cast

from core.checkpoints.inert.values import SPECIAL, Global, Made, Refusal, StorageRef, Value, call, put, require
from core.checkpoints.source import is_count

MAX_BYTES = 32 * 2**20
"""A pickled ViT-H with its text tower takes about 1 MB beside its numbers."""
MAX_LINE = 1000
MAX_OPERATIONS = 200_000
"""A CLIP of 48 and 32 layers takes 122,000; keeps a hostile file below half a second."""


class Bounded:
    """A stream of which no more is read than objects may take; what follows them is left where it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, MAX_BYTES

    def read(self, count: int) -> bytes:
        """The next `count` bytes."""
        self._left -= count
        require(self._left >= 0, f"more than {MAX_BYTES >> 20} MiB of objects besides its numbers")
        found = self._stream.read(count)
        require(len(found) == count, "an end in the middle of its objects (truncated)")
        return found

    def readline(self) -> bytes:
        """The rest of the line, with its end."""
        found = self._stream.readline(MAX_LINE)
        self._left -= len(found)
        require(found.endswith(b"\n") and self._left >= 0, "an endless name")
        require(b"\\" not in found, "an odd name")  # `pickletools` would look for escapes in it.
        return found


class Machine:
    """Runs one pickle. `storages` is shared by the pickles of one file: storage key -> what is known of it."""

    def __init__(self, stream: BinaryIO, storages: dict[str, StorageRef]) -> None:
        self._stream, self.storages = cast("IO[bytes]", Bounded(stream)), storages
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []
        """The stacks under each mark."""
        self.memo: dict[int, Value] = {}

    def run(self) -> Value:
        """The description of the pickled object; raises `Refusal`, and `ValueError` for bytes that mean nothing."""
        for count, (operation, argument, _) in enumerate(genops(self._stream)):
            require(count < MAX_OPERATIONS, f"more than {MAX_OPERATIONS:,} objects")
            if operation.name == "STOP":
                break
            if operation.name not in OPERATIONS:
                raise Refusal(f"an operation that checkpoints don't need ({operation.name})")
            OPERATIONS[operation.name](self, argument)
        return self.pop()

    def push(self, value: Value) -> None:
        """Put on the stack."""
        self.stack.append(value)

    def pop(self) -> Value:
        """Take from the stack."""
        require(bool(self.stack), "a malformed pickle (empty stack)")
        return self.stack.pop()

    def top(self) -> Value:
        """Look at the top of the stack."""
        require(bool(self.stack), "a malformed pickle (empty stack)")
        return self.stack[-1]

    def pop_to_mark(self) -> list[Value]:
        """Take everything above the last mark."""
        require(bool(self.below), "a malformed pickle (no mark)")
        above, self.stack = self.stack, self.below.pop()
        return above


# Marks, the memo and other book-keeping.


def _protocol(_: Machine, version: int) -> None:
    require(2 <= version <= 5, f"pickle protocol {version}")


def _mark(m: Machine, _: None) -> None:
    m.below.append(m.stack)
    m.stack = []


def _get(m: Machine, at: int) -> None:
    require(at in m.memo, "a malformed pickle (empty memo)")
    m.push(m.memo[at])


def _put(m: Machine, at: int | None) -> None:
    m.memo[len(m.memo) if at is None else at] = m.top()


# Containers. Sets become lists, and dictionaries keep text keys only: nothing that the file chose is hashed.


def _tuple(m: Machine, count: int) -> None:
    require(len(m.stack) >= count, "a malformed pickle (empty stack)")
    m.stack[-count:] = [tuple(m.stack[-count:])]


def _extend(m: Machine, items: list[Value]) -> None:
    target = m.top()
    if type(target) is list:
        target.extend(items)


def _update(m: Machine, items: list[Value]) -> None:
    require(len(items) % 2 == 0, "a malformed pickle (a key without a value)")
    target = m.top()
    if type(target) is dict:
        for key, value in zip(items[::2], items[1::2], strict=True):
            put(target, key, value)


# Objects: names stay names, calls become descriptions.


def _global(m: Machine, names: str) -> None:
    m.push(Global(names.replace(" ", ".", 1)))


def _stack_global(m: Machine, _: None) -> None:
    name, module = m.pop(), m.pop()
    require(type(name) is str and type(module) is str, "a malformed pickle (a name that is not text)")
    m.push(Global(f"{module}.{name}"))


def _reduce(m: Machine, _: None) -> None:
    arguments, function = m.pop(), m.pop()
    m.push(call(function.name, arguments) if type(function) is Global else Made("a call to a non-function"))


def _build(m: Machine, _: None) -> None:
    state, target = m.pop(), m.top()
    if type(target) is Made and type(state) is dict:
        target.state = state


def _persistent(m: Machine, _: None) -> None:
    """`("storage", type, key, location, numel[, None])`, or `("module", class, file, source)` in legacy files."""
    identity = m.pop()
    require(type(identity) is tuple and len(identity) >= 4, "a malformed reference to its numbers")
    if identity[0] == "module":
        m.push(identity[1])
        return
    kind, key = identity[1], identity[2]
    require(identity[0] == "storage" and type(kind) is Global, "a malformed reference to its numbers")
    dtype = kind.dtype
    if dtype is None:
        raise Refusal(f"numbers of an element type that is not supported ({kind.name[:60]})", SPECIAL)
    require(type(key) is str and key.isascii() and key.isalnum() and len(key) <= 40, "an unusable name for its numbers")
    require(len(identity) >= 5 and is_count(identity[4]), "a malformed reference to its numbers")
    require(len(identity) == 5 or identity[5] is None, "views of storages, as PyTorch wrote them before 0.4")
    storage = StorageRef(key, dtype, identity[4])
    require(m.storages.setdefault(key, storage) == storage, "one name for two sets of numbers")
    m.push(storage)


OPERATIONS: dict[str, Callable[[Machine, Any], object]] = {
    "PROTO": _protocol, "FRAME": lambda _m, _size: None, "MARK": _mark, "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.pop_to_mark(), "BINGET": _get, "LONG_BINGET": _get, "BINPUT": _put, "LONG_BINPUT": _put,
    "MEMOIZE": _put, "NONE": Machine.push, "NEWTRUE": lambda m, _: m.push(True), "NEWFALSE": lambda m, _: m.push(False),
    "LONG1": Machine.push, "BININT": Machine.push, "BININT1": Machine.push, "BININT2": Machine.push,
    "BINFLOAT": Machine.push, "BINUNICODE": Machine.push, "SHORT_BINUNICODE": Machine.push,
    # Text as Python 2 wrote it.
    "BINSTRING": Machine.push, "SHORT_BINSTRING": Machine.push,
    "BINBYTES": Machine.push, "SHORT_BINBYTES": Machine.push, "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE1": lambda m, _: _tuple(m, 1), "TUPLE2": lambda m, _: _tuple(m, 2), "TUPLE3": lambda m, _: _tuple(m, 3),
    "TUPLE": lambda m, _: m.push(tuple(m.pop_to_mark())), "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_DICT": lambda m, _: m.push({}), "EMPTY_SET": lambda m, _: m.push([]),
    "FROZENSET": lambda m, _: m.push(m.pop_to_mark()), "APPEND": lambda m, _: _extend(m, [m.pop()]),
    "APPENDS": lambda m, _: _extend(m, m.pop_to_mark()), "ADDITEMS": lambda m, _: _extend(m, m.pop_to_mark()),
    "SETITEM": lambda m, _: _update(m, [m.pop(), m.pop()][::-1]), "SETITEMS": lambda m, _: _update(m, m.pop_to_mark()),
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "REDUCE": _reduce, "NEWOBJ": _reduce, "BUILD": _build,
    "BINPERSID": _persistent,
}  # fmt: skip
"""What is left out is what no checkpoint needs: INST, OBJ, EXT, NEWOBJ_EX, buffers, text numbers of protocol 0."""
