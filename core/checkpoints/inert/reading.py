"""From descriptions to tensors: reads the numbers that a `TensorRef` names, and checks sizes before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import BinaryIO

import torch
from torch import Tensor

from core.checkpoints.inert.values import StorageRef, TensorRef, require
from core.checkpoints.source import fill

SLACK = 2**20


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
        require(key in sizes, f"no numbers called `{key}`, which its objects name")
        require(sizes[key] == storage.nbytes, f"{sizes[key]:,} bytes where its objects expect {storage.nbytes:,}")
