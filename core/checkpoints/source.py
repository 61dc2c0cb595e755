"""What every format offers: a table of named tensors, known before any number is read, and a way to read some."""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
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


class How(StrEnum):
    """How one tensor is made of those of a file."""

    STACKED = "one below the other"
    TRANSPOSED = "transposed"
    FLATTENED = "without first dimensions of 1"
    GEOMETRIC = "r · θ / |θ| for each row, of θ and r"
    """The geometric parametrisation of zer0int/CLIP-fine-tune, after https://arxiv.org/abs/2305.15912."""


@dataclass(frozen=True)
class TensorRecipe:
    """One tensor of the file, or one made of several."""

    parts: tuple[str, ...]
    how: How = How.STACKED

    def make(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The tensor, from its parts in the recipe's order."""
        match self.how:
            case How.STACKED:
                return parts[0] if len(parts) == 1 else torch.cat(list(parts))
            case How.TRANSPOSED:
                return parts[0].T.contiguous()
            case How.FLATTENED:
                return parts[0].reshape(_flat(tuple(parts[0].shape)))
            case How.GEOMETRIC:
                theta, r = parts[0].double(), parts[1].double()
                return (r * torch.nn.functional.normalize(theta, dim=1)).to(parts[0].dtype)

    def entry(self, table: Mapping[str, TensorEntry]) -> TensorEntry:
        """Element type and shape of what `make` gives."""
        first = table[self.parts[0]]
        match self.how:
            case How.STACKED if len(self.parts) > 1 and first.shape:
                rows = sum(table[part].shape[0] if table[part].shape else 1 for part in self.parts)
                return TensorEntry(first.dtype, (rows, *first.shape[1:]))
            case How.TRANSPOSED:
                return TensorEntry(first.dtype, tuple(reversed(first.shape)))
            case How.FLATTENED:
                return TensorEntry(first.dtype, _flat(first.shape))
        return first

    def wrong(self, table: Mapping[str, TensorEntry]) -> str:
        """What keeps it from being carried out; empty where nothing does."""
        entries = [table[part] for part in self.parts]
        shape = entries[0].shape
        if self.how == How.STACKED and len(entries) > 1 and (len(set(entries)) > 1 or not shape):
            return "the query, key and value of {} should have the same shape and type"
        if self.how == How.TRANSPOSED and len(shape) != 2:
            return f"{{}} should be a matrix. Found shape {list(shape)}"
        if self.how == How.GEOMETRIC:
            radii = entries[1].shape
            floats = all("float" in entry.dtype for entry in entries)
            if len(shape) != 2 or radii != (shape[0], 1) or not floats:
                return f"{{}} should have `theta` [n, m] and `r` [n, 1]. Found {list(shape)} and {list(radii)}"
        return ""


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape
