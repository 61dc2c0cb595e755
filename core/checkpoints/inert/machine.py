"""The pickle machine: bytes that are counted, a stack, a memo, and the opcodes that PyTorch writes.

It imports nothing and calls nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from core.checkpoints.inert.values import Global, Made, Refusal, StorageRef, Value, call, is_count, put, require

MAX_BYTES = 32 * 2**20
"""A pickled ViT-H with its text tower takes about 1 MB beside its numbers."""
MAX_LINE = 1000
MAX_OPERATIONS = 200_000
"""A CLIP of 48 and 32 layers takes 122,000; keeps a hostile file below half a second."""
STOP = 0x2E


class Program:
    """Reads the pickle that begins at the stream's position; what follows it is left where it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, MAX_BYTES

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        self._left -= count
        require(self._left >= 0, f"more than {MAX_BYTES >> 20} MiB of objects besides its numbers")
        found = self._stream.read(count)
        require(len(found) == count, "an end in the middle of its objects (truncated)")
        return found

    def unsigned(self, count: int) -> int:
        """A little-endian unsigned integer of `count` bytes."""
        return int.from_bytes(self.take(count), "little")

    def signed(self, count: int) -> int:
        """A little-endian signed integer of `count` bytes."""
        return int.from_bytes(self.take(count), "little", signed=True)

    def real(self) -> float:
        """A big-endian double."""
        value: float = struct.unpack(">d", self.take(8))[0]
        return value

    def line(self) -> str:
        """Text up to the end of the line."""
        found = self._stream.readline(MAX_LINE)
        self._left -= len(found)
        require(found.endswith(b"\n") and self._left >= 0, "an endless name")
        return found[:-1].decode("utf-8")


class Machine:
    """Runs one pickle. `storages` is shared by the pickles of one file: storage key -> what is known of it."""

    def __init__(self, stream: BinaryIO, storages: dict[str, StorageRef]) -> None:
        self.program, self.storages = Program(stream), storages
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []
        """The stacks under each mark."""
        self.memo: dict[int, Value] = {}

    def run(self) -> Value:
        """The description of the pickled object; raises `Refusal`."""
        for _ in range(MAX_OPERATIONS):
            code = self.program.unsigned(1)
            if code == STOP:
                return self.pop()
            operation = OPERATIONS.get(code)
            if operation is None:
                raise Refusal(f"an operation that checkpoints don't need (0x{code:02x})")
            operation(self)
        raise Refusal(f"more than {MAX_OPERATIONS:,} objects")

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


def _protocol(m: Machine) -> None:
    version = m.program.unsigned(1)
    require(2 <= version <= 5, f"pickle protocol {version}")


def _mark(m: Machine) -> None:
    m.below.append(m.stack)
    m.stack = []


def _get(m: Machine, size: int) -> None:
    at = m.program.unsigned(size)
    require(at in m.memo, "a malformed pickle (empty memo)")
    m.push(m.memo[at])


def _put(m: Machine, size: int) -> None:
    m.memo[m.program.unsigned(size)] = m.top()


def _memoize(m: Machine) -> None:
    m.memo[len(m.memo)] = m.top()


# Constants.


def _raw(m: Machine, size: int) -> bytes:
    """Bytes after their number, which has `size` bytes itself."""
    return m.program.take(m.program.unsigned(size))


def _text(m: Machine, size: int) -> None:
    m.push(_raw(m, size).decode("utf-8", "surrogatepass"))


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


def _global(m: Machine) -> None:
    module, name = m.program.line(), m.program.line()
    m.push(Global(f"{module}.{name}"))


def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    require(type(name) is str and type(module) is str, "a malformed pickle (a name that is not text)")
    m.push(Global(f"{module}.{name}"))


def _reduce(m: Machine) -> None:
    arguments, function = m.pop(), m.pop()
    m.push(call(function.name, arguments) if type(function) is Global else Made("a call to a non-function"))


def _build(m: Machine) -> None:
    state, target = m.pop(), m.top()
    if type(target) is Made and type(state) is dict:
        target.state = state


def _persistent(m: Machine) -> None:
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
        raise Refusal(f"numbers of an element type that is not supported ({kind.name[:60]})")
    require(type(key) is str and key.isascii() and key.isalnum() and len(key) <= 40, "an unusable name for its numbers")
    require(len(identity) >= 5 and is_count(identity[4]), "a malformed reference to its numbers")
    require(len(identity) == 5 or identity[5] is None, "views of storages, as PyTorch wrote them before 0.4")
    storage = StorageRef(key, dtype, identity[4])
    require(m.storages.setdefault(key, storage) == storage, "one name for two sets of numbers")
    m.push(storage)


OPERATIONS: dict[int, Callable[[Machine], object]] = {
    0x80: _protocol, 0x95: lambda m: m.program.take(8), ord("("): _mark, ord("0"): Machine.pop,
    ord("1"): Machine.pop_to_mark, ord("h"): lambda m: _get(m, 1), ord("j"): lambda m: _get(m, 4),
    ord("q"): lambda m: _put(m, 1), ord("r"): lambda m: _put(m, 4), 0x94: _memoize,
    ord("N"): lambda m: m.push(None), 0x88: lambda m: m.push(True), 0x89: lambda m: m.push(False),
    0x8A: lambda m: m.push(m.program.signed(m.program.unsigned(1))),
    ord("J"): lambda m: m.push(m.program.signed(4)), ord("K"): lambda m: m.push(m.program.unsigned(1)),
    ord("M"): lambda m: m.push(m.program.unsigned(2)), ord("G"): lambda m: m.push(m.program.real()),
    ord("X"): lambda m: _text(m, 4), 0x8C: lambda m: _text(m, 1),
    # Text as Python 2 wrote it.
    ord("T"): lambda m: m.push(_raw(m, 4).decode("latin1")), ord("U"): lambda m: m.push(_raw(m, 1).decode("latin1")),
    ord("B"): lambda m: m.push(_raw(m, 4)), ord("C"): lambda m: m.push(_raw(m, 1)),
    ord(")"): lambda m: m.push(()), 0x85: lambda m: _tuple(m, 1), 0x86: lambda m: _tuple(m, 2),
    0x87: lambda m: _tuple(m, 3), ord("t"): lambda m: m.push(tuple(m.pop_to_mark())), ord("]"): lambda m: m.push([]),
    ord("}"): lambda m: m.push({}), 0x8F: lambda m: m.push([]), 0x91: lambda m: m.push(m.pop_to_mark()),
    ord("a"): lambda m: _extend(m, [m.pop()]), ord("e"): lambda m: _extend(m, m.pop_to_mark()),
    0x90: lambda m: _extend(m, m.pop_to_mark()), ord("s"): lambda m: _update(m, [m.pop(), m.pop()][::-1]),
    ord("u"): lambda m: _update(m, m.pop_to_mark()), ord("c"): _global, 0x93: _stack_global, ord("R"): _reduce,
    0x81: _reduce, ord("b"): _build, ord("Q"): _persistent,
}  # fmt: skip
"""What is left out is what no checkpoint needs: INST, OBJ, EXT, NEWOBJ_EX, buffers, text numbers of protocol 0."""
