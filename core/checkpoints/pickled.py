"""What both layouts of pickled PyTorch files share."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile

import torch
from torch import Tensor

from core.checkpoints.inert.modules import FoundInFile
from core.checkpoints.inert.values import Refusal, StorageRef, TensorRef, require
from core.checkpoints.source import CheckpointSource, TensorEntry, check_table, fill
from core.errors import BadCheckpoint

SLACK = 2**20


class Pickled(CheckpointSource):
    """A file of `torch.save`, read without unpickling."""

    def __init__(self, path: Path, found: FoundInFile, warnings: tuple[str, ...] = ()) -> None:
        self.path, self.refs = path, found.tensors
        self.table = {name: TensorEntry(ref.storage.dtype, ref.shape) for name, ref in found.tensors.items()}
        check_table(path.name, self.table)
        self.classes = frozenset(found.classes)
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
        raise BadCheckpoint(
            f"`{path.name}` holds {refusal}. None of it was executed. Save it as safetensors, or fetch it again."
        ) from None
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
    total = sum(max(ref.numel, ref.reach) * ref.storage.dtype.itemsize for ref in unique)
    require(total <= 2 * file_size + SLACK, "tensors that are much larger than the file itself")


def read_tensor(file: BinaryIO, begin: int, ref: TensorRef, name: str) -> Tensor:
    """The tensor that `ref` describes, contiguous; its storage begins at byte `begin` of the file."""
    file.seek(begin + ref.offset * ref.storage.dtype.itemsize)
    numbers = fill(file, name, ref.storage.dtype, (ref.reach,))
    if ref.numel == 0:
        return torch.empty(ref.shape, dtype=ref.storage.dtype)
    return numbers.as_strided(ref.shape, ref.stride).contiguous()


def check_storages(storages: Mapping[str, StorageRef], sizes: Mapping[str, int]) -> None:
    """Every storage that the objects name is there, with the size that they give it."""
    for key, storage in storages.items():
        require(key in sizes, f"no data called `{key}`, which its objects refer to")
        require(sizes[key] == storage.nbytes, f"{sizes[key]:,} bytes where its objects expect {storage.nbytes:,}")
