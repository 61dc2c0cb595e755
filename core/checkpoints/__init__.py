"""Bytes on disk -> named tensors. Nothing in a checkpoint is ever executed."""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import torch
from torch import Tensor

from core.checkpoints.header import DTYPES, Header, TensorInfo, read_header
from core.errors import BadCheckpoint
from core.files import sha256

__all__ = ["Checkpoint", "Header", "describe", "load_checkpoint", "read_header"]


@dataclass(frozen=True)
class Checkpoint:
    """The named tensors of one file, on the CPU, as stored."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


def load_checkpoint(path: Path, prefix: str = "", skip: str | None = None) -> Checkpoint:
    """Read from a safetensors file the tensors whose names begin with `prefix` (which is removed), but not with `skip`.

    Raises `BadCheckpoint` naming the file, what was expected and what was found.
    """
    header = describe(path)
    # Read, not mapped: a file that is truncated while we read must not kill the process.
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        tensors = {
            name.removeprefix(prefix): _read(file, start, name, info)
            for name, info in header.tensors.items()
            if name.startswith(prefix) and not (skip and name.startswith(skip))
        }
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise BadCheckpoint(
                f"`{path.name}`: tensor `{prefix}{name}` holds NaN or infinite values; it can't be merged."
            )
    return Checkpoint(path, tensors, header.metadata, sha256(path))


def describe(path: Path) -> Header:
    """The checked header of the checkpoint at `path`; raises `BadCheckpoint` where it is no safetensors file."""
    if not path.is_file():
        raise BadCheckpoint(f"`{path}` is not a file; expected a safetensors checkpoint.")
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] in (b"PK", b"\x80\x02", b"\x80\x04"):
        raise BadCheckpoint(f"`{path.name}` is a pickled PyTorch file; expected safetensors. Convert it first.")
    return read_header(path)


def _read(file: BufferedReader, start: int, name: str, info: TensorInfo) -> Tensor:
    tensor = torch.empty(info.shape, dtype=DTYPES[info.dtype])
    file.seek(start + info.begin)
    found = file.readinto(tensor.reshape(-1).view(torch.uint8).numpy().data) if tensor.numel() else 0
    if found != tensor.nbytes:
        raise BadCheckpoint(f"`{Path(file.name).name}` ended while tensor `{name}` was read; fetch or export it again.")
    return tensor
