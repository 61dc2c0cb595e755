"""The pickle machine: a stack, a memo, and the opcodes that PyTorch writes. It imports nothing and calls nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from core.checkpoints.inert.calls import call, put
from core.checkpoints.inert.program import Program
from core.checkpoints.inert.values import Global, Made, Refusal, StorageRef, Value, is_count, require

MAX_OPERATIONS = 300_000
"""A CLIP of 48 and 32 layers takes 122,000; keeps a hostile file below half a second."""
STOP = 0x2E


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


def _get(size: int) -> Callable[[Machine], None]:
    def operation(m: Machine) -> None:
        at = m.program.unsigned(size)
        require(at in m.memo, "a malformed pickle (empty memo)")
        m.push(m.memo[at])

    return operation


def _put(size: int) -> Callable[[Machine], None]:
    def operation(m: Machine) -> None:
        m.memo[m.program.unsigned(size)] = m.top()

    return operation


def _memoize(m: Machine) -> None:
    m.memo[len(m.memo)] = m.top()


# Constants.


def _constant(value: Value) -> Callable[[Machine], None]:
    return lambda m: m.push(value)


def _text(size: int) -> Callable[[Machine], None]:
    return lambda m: m.push(m.program.text(m.program.unsigned(size)))


def _latin(size: int) -> Callable[[Machine], None]:
    """Text as Python 2 wrote it."""
    return lambda m: m.push(m.program.take(m.program.unsigned(size)).decode("latin1"))


def _bytes(size: int) -> Callable[[Machine], None]:
    return lambda m: m.push(m.program.take(m.program.unsigned(size)))


# Containers. Sets become lists, and dictionaries keep text keys only: nothing that the file chose is hashed.


def _tuple(count: int) -> Callable[[Machine], None]:
    def operation(m: Machine) -> None:
        m.push(tuple(reversed([m.pop() for _ in range(count)])))

    return operation


def _extend(target: Value, items: list[Value]) -> None:
    if type(target) is list:
        target.extend(items)


def _update(target: Value, items: list[Value]) -> None:
    require(len(items) % 2 == 0, "a malformed pickle (a key without a value)")
    if type(target) is dict:
        for key, value in zip(items[::2], items[1::2], strict=True):
            put(target, key, value)


def _append(m: Machine) -> None:
    item = m.pop()
    _extend(m.top(), [item])


def _appends(m: Machine) -> None:
    items = m.pop_to_mark()
    _extend(m.top(), items)


def _set_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    _update(m.top(), [key, value])


def _set_items(m: Machine) -> None:
    items = m.pop_to_mark()
    _update(m.top(), items)


# Objects: names stay names, calls become descriptions.


def _global(m: Machine) -> None:
    module, name = m.program.line(), m.program.line()
    m.push(Global(f"{module}.{name}"))


def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    require(type(name) is str and type(module) is str, "a malformed pickle (a name that is no text)")
    m.push(Global(f"{module}.{name}"))


def _reduce(m: Machine) -> None:
    arguments, function = m.pop(), m.pop()
    m.push(call(function.name, arguments) if type(function) is Global else Made("a call of no function"))


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
    require(type(key) is str and key.isascii() and key.isalnum() and len(key) <= 40, "an odd name for its numbers")
    require(len(identity) >= 5 and is_count(identity[4]), "a malformed reference to its numbers")
    require(len(identity) == 5 or identity[5] is None, "views of storages, as PyTorch wrote them before 0.4")
    storage = StorageRef(key, dtype, identity[4])
    require(m.storages.setdefault(key, storage) == storage, "one name for two runs of numbers")
    m.push(storage)


OPERATIONS: dict[int, Callable[[Machine], object]] = {
    0x80: _protocol, 0x95: lambda m: m.program.take(8), ord("("): _mark, ord("0"): Machine.pop,
    ord("1"): Machine.pop_to_mark, ord("h"): _get(1), ord("j"): _get(4), ord("q"): _put(1), ord("r"): _put(4),
    0x94: _memoize, ord("N"): _constant(None), 0x88: _constant(True), 0x89: _constant(False),
    0x8A: lambda m: m.push(m.program.signed(m.program.unsigned(1))),
    ord("J"): lambda m: m.push(m.program.signed(4)), ord("K"): lambda m: m.push(m.program.unsigned(1)),
    ord("M"): lambda m: m.push(m.program.unsigned(2)), ord("G"): lambda m: m.push(m.program.real()),
    ord("X"): _text(4), 0x8C: _text(1), ord("T"): _latin(4), ord("U"): _latin(1), ord("B"): _bytes(4),
    ord("C"): _bytes(1), ord(")"): _tuple(0), 0x85: _tuple(1), 0x86: _tuple(2), 0x87: _tuple(3),
    ord("t"): lambda m: m.push(tuple(m.pop_to_mark())), ord("]"): lambda m: m.push([]), ord("}"): lambda m: m.push({}),
    0x8F: lambda m: m.push([]), 0x90: _appends, 0x91: lambda m: m.push(m.pop_to_mark()), ord("a"): _append,
    ord("e"): _appends, ord("s"): _set_item, ord("u"): _set_items, ord("c"): _global, 0x93: _stack_global,
    ord("R"): _reduce, 0x81: _reduce, ord("b"): _build, ord("Q"): _persistent,
}  # fmt: skip
"""What is left out is what no checkpoint needs: INST, OBJ, EXT, NEWOBJ_EX, buffers, text numbers of protocol 0."""
