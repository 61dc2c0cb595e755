"""What every format offers: a table of named tensors, known before any number is read, and a way to read some."""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, TypeGuard

from core.errors import BadCheckpoint
from core.lazily import torch

MAX_TENSORS = 20_000
MAX_DIMENSIONS = 16
MAX_COUNT = 2**48
BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
         "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}  # fmt: skip
"""Element type, by PyTorch's name -> bytes of one number."""
NAME = re.compile(r"[A-Za-z0-9_.\-/]{1,500}")


@dataclass(frozen=True)
class TensorEntry:
    """Element type and shape of one tensor."""

    dtype: str
    """PyTorch's name for it; one of `BYTES`."""
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes these take."""
        return self.numel * BYTES[self.dtype]


class CheckpointSource(ABC):
    """An opened checkpoint. Making one reads its table of contents and checks it; `read` reads numbers."""

    format: str
    """How the bytes are laid out, in a few words for people."""
    path: Path
    table: Mapping[str, TensorEntry]
    metadata: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()
    classes: frozenset[str] = frozenset()
    """Names of the module classes, where whole modules were pickled."""
    within: str = ""
    """Entries of the file that everything lies in, which names leave out; see `inert.modules.FoundInFile`."""
    entries: frozenset[str] = frozenset()
    """Beginnings of names that are entries of the file."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files with the numbers, in a fixed order."""
        return (self.path,)

    @abstractmethod
    def read(self, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """The tensors of these names as they are stored, each in memory of its own, on the CPU."""


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is an integer (not a bool) that can be a size in elements or a place in a file."""
    return type(value) is int and 0 <= value < MAX_COUNT


def check_table(file: str, table: Mapping[str, object]) -> None:
    """Refuse more tensors than any encoder has, and names that no model gives."""
    if len(table) > MAX_TENSORS:
        raise BadCheckpoint(f"`{file}` holds {len(table):,} tensors; expected at most {MAX_TENSORS:,}.")
    for name in table:
        if not NAME.fullmatch(name):
            raise BadCheckpoint(f"`{file}` holds a tensor with an unusable name: {name[:60]!r}.")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The regular file at `path`, for reading; raises `BadCheckpoint` for anything else, without waiting for it."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb", opener=_at_once))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadCheckpoint(f"`{path.name}` can't be read: {reason}. Expected a checkpoint file.") from None
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadCheckpoint(f"`{path.name}` is not a regular file; expected a checkpoint.")
        try:
            yield file
        except OSError as error:  # A failing disk, or a file of the system's that only looks regular.
            raise BadCheckpoint(f"`{path.name}` can't be read: {error.strerror}. Expected a checkpoint file.") from None


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe would wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def fill(file: BinaryIO, name: str, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A new tensor with the numbers at the file's position.

    They are copied, never mapped: a file that is truncated while it is mapped kills the process.
    """
    tensor = torch.empty(shape, dtype=getattr(torch, dtype))
    raw = tensor.reshape(-1).view(torch.uint8)
    found = file.readinto(memoryview(raw.numpy())) if raw.numel() else 0  # type: ignore[attr-defined, arg-type]  # BinaryIO lacks readinto
    if found != raw.numel():
        raise BadCheckpoint(f"`{Path(file.name).name}` ended inside tensor `{name}`; fetch or export it again.")
    # Other bytes than 0 and 1 in a bool tensor mean different things to different operations.
    return raw.view(shape).ne(0) if dtype == "bool" else tensor


@dataclass(frozen=True)
class TensorRecipe:
    """One tensor of the file, or several one below the other; perhaps transposed."""

    parts: tuple[str, ...]
    transposed: bool = False

    def make(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The tensor, from its parts in the recipe's order."""
        whole = parts[0] if len(parts) == 1 else torch.cat(list(parts))
        return whole.T.contiguous() if self.transposed else whole

    def entry(self, table: Mapping[str, TensorEntry]) -> TensorEntry:
        """Element type and shape of what `make` gives."""
        first, shape = table[self.parts[0]], list(table[self.parts[0]].shape)
        if len(self.parts) > 1 and shape:
            shape[0] = sum(table[part].shape[0] if table[part].shape else 1 for part in self.parts)
        return TensorEntry(first.dtype, tuple(reversed(shape)) if self.transposed else tuple(shape))
