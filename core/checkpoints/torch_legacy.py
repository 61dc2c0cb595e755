"""PyTorch files of before version 1.6: five pickles and then the numbers. They carry no checksum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from core.checkpoints.inert.machine import Machine
from core.checkpoints.inert.modules import named_tensors
from core.checkpoints.inert.values import StorageRef, TensorRef, Value, require
from core.checkpoints.pickled import Pickled, check_sizes, check_storages, read_tensor, refusing
from core.checkpoints.source import opened

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
TAR_MARK = slice(257, 262)
NO_CHECKSUM = (
    "a legacy PyTorch file carries no checksum: compare its SHA-256 with its source, or save it again as safetensors"
)


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

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """See `CheckpointSource.read`."""
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
        sizes[key] = int.from_bytes(raw, "little", signed=True) * storage.dtype.itemsize
        begins[key] = file.tell()
        require(begins[key] + storage.nbytes <= size, "an end in the middle of its numbers (truncated)")
        file.seek(storage.nbytes, 1)
    check_storages(storages, sizes)
    return begins, file.tell()
