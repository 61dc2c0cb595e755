"""Pickled PyTorch files: what both layouts share, and the one of before version 1.6. That carries no checksum."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile

from core.checkpoints.inert.machine import Machine
from core.checkpoints.inert.modules import FoundInFile, named_tensors
from core.checkpoints.inert.values import Refusal, StorageRef, TensorRef, Value, require
from core.checkpoints.source import CheckpointSource, TensorEntry, check_table, fill, opened
from core.errors import BadCheckpoint
from core.lazily import torch

SLACK = 2**20
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
TAR_MARK = slice(257, 262)
NO_CHECKSUM = (
    "a legacy PyTorch file carries no checksum: compare its SHA-256 with its source, or save it again as safetensors"
)


class Pickled(CheckpointSource):
    """A file of `torch.save`, read without unpickling."""

    def __init__(self, path: Path, found: FoundInFile, warnings: tuple[str, ...] = ()) -> None:
        self.path, self.refs = path, found.tensors
        self.table = {name: TensorEntry(ref.storage.dtype, ref.shape) for name, ref in found.tensors.items()}
        check_table(path.name, self.table)
        self.classes = frozenset(found.classes)
        self.within, self.entries = found.within, frozenset(found.entries)
        self.warnings = warnings
        if found.passed_over:
            shown = ", ".join(f"`{name[:40]}`" for name in found.passed_over[:4])
            more = ", …" if len(found.passed_over) > 4 else ""
            self.warnings += (f"{len(found.passed_over)} entries that are not tensors were ignored ({shown}{more})",)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what reading the objects of `path` may raise into one `BadCheckpoint`."""
    try:
        yield
    except Refusal as refusal:
        raise BadCheckpoint(f"`{path.name}` holds {refusal}. None of it was executed. {refusal.remedy}") from None
    except (ValueError, BadZipFile, NotImplementedError, struct.error, OverflowError, zlib.error, EOFError) as error:
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        raise BadCheckpoint(
            f"`{path.name}` is a damaged PyTorch file: {reason}. None of it was executed. Fetch or save it again."
        ) from None


def check_sizes(tensors: Iterable[TensorRef], file_size: int) -> None:
    """Refuse tensors that together are much larger than the file: views that repeat its numbers.

    Tied weights, which are one tensor under several names, count once.
    """
    unique = set(tensors)
    total = sum(max(ref.numel, ref.reach) * ref.storage.itemsize for ref in unique)
    require(total <= 2 * file_size + SLACK, "tensors that are much larger than the file itself")


def read_tensor(file: BinaryIO, begin: int, ref: TensorRef, name: str) -> torch.Tensor:
    """The tensor that `ref` describes, contiguous; its storage begins at byte `begin` of the file."""
    file.seek(begin + ref.offset * ref.storage.itemsize)
    numbers = fill(file, name, ref.storage.dtype, (ref.reach,))
    if ref.numel == 0:
        return numbers.reshape(ref.shape)
    return numbers.as_strided(ref.shape, ref.stride).contiguous()


def check_storages(storages: Mapping[str, StorageRef], sizes: Mapping[str, int]) -> None:
    """Every storage that the objects name is there, with the size that they give it."""
    for key, storage in storages.items():
        require(key in sizes, f"no data called `{key}`, which its objects refer to")
        require(sizes[key] == storage.nbytes, f"{sizes[key]:,} bytes where its objects expect {storage.nbytes:,}")


class LegacyFile(Pickled):
    """A file that `torch.save(..., _use_new_zipfile_serialization=False)` wrote."""

    format = "PyTorch pickle, legacy layout"

    def __init__(self, path: Path) -> None:
        with opened(path) as file, refusing(path):
            size = file.seek(0, 2)
            file.seek(0)
            start = file.read(512)
            require(start[TAR_MARK] != b"ustar", "the mark of a tar archive inside a pickle")
            file.seek(0)
            storages: dict[str, StorageRef] = {}
            root = _objects(file, storages)
            keys = Machine(file, {}).run()
            self._begins, end = _places(file, keys, storages, size)
            require(end == size, f"{size - end:,} bytes after its numbers")
            found = named_tensors(root)
            check_sizes(found.tensors.values(), size)
        super().__init__(path, found, (NO_CHECKSUM,))

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
        with opened(self.path) as file:
            for name in names:
                ref: TensorRef = self.refs[name]
                yield name, read_tensor(file, self._begins[ref.storage.key], ref, name)


def _objects(file: BinaryIO, storages: dict[str, StorageRef]) -> Value:
    magic, protocol, system = (Machine(file, {}).run() for _ in range(3))
    require(type(magic) is int and magic == MAGIC, "a pickle that PyTorch did not write")
    require(type(protocol) is int and protocol == PROTOCOL, "an unknown protocol of PyTorch's legacy layout")
    require(type(system) is dict and system.get("little_endian") is True, "numbers in big-endian order")
    return Machine(file, storages).run()


def _places(file: BinaryIO, keys: Value, storages: dict[str, StorageRef], size: int) -> tuple[dict[str, int], int]:
    """Where each storage begins, and where the last one ends; each is a count of numbers, then the numbers."""
    require(type(keys) is list and all(type(key) is str for key in keys), "a malformed list of its numbers")
    require(
        len(keys) == len(set(keys)) and set(keys) == set(storages), "a list of its numbers that does not match them"
    )
    begins, sizes = {}, {}
    for key in keys:
        storage = storages[key]
        raw = file.read(8)
        require(len(raw) == 8, "an end before its numbers (truncated)")
        sizes[key] = int.from_bytes(raw, "little", signed=True) * storage.itemsize
        begins[key] = file.tell()
        require(begins[key] + storage.nbytes <= size, "an end in the middle of its numbers (truncated)")
        file.seek(storage.nbytes, 1)
    check_storages(storages, sizes)
    return begins, file.tell()
