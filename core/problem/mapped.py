"""Where matrices of task vectors lie: in memory, or in a file of which only what is being read is resident.

The file has no name from the moment it is made: nobody else can cut it short while it is mapped, and whatever ends
the process, nothing is left behind.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import torch
from torch import Tensor

from core.errors import RunFailed

WINDOW = 64 * 2**20
"""Bytes read from a mapped matrix after which what was read is let go of."""


class InMemory:
    """Matrices are ordinary tensors on a device."""

    mapped = False

    def empty(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """A new matrix, not filled."""
        return torch.empty(*shape, dtype=dtype, device=device)

    def passed(self, size: int) -> None:
        """Nothing: memory stays."""


class Mapped:
    """Matrices are on the CPU, each mapped from an unnamed temporary file in `folder`.

    They read and write as any tensor does, with the same numbers. Their pages belong to the file: they take no memory
    of the process's own, and the system drops them when it needs the room.
    """

    mapped = True

    def __init__(self, folder: Path) -> None:
        self._folder, self._read = folder, 0
        self._areas = weakref.WeakSet[mmap.mmap]()

    def empty(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """A new matrix of zeros; raises `RunFailed` where the disk has no room for all of it."""
        size = math.prod(shape) * dtype.itemsize
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if size > shutil.disk_usage(self._folder).free:  # Trying would fill the disk for everybody first.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with TemporaryFile(dir=self._folder) as file:
                _reserve(file, size)
                area = mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise RunFailed(self._refusal(size, error)) from error
        self._areas.add(area)
        return torch.frombuffer(area, dtype=dtype).view(*shape)

    def passed(self, size: int) -> None:
        """Note that `size` bytes have been read or written and are not needed soon."""
        self._read += size
        if self._read < WINDOW or not hasattr(mmap, "MADV_DONTNEED"):
            return
        self._read = 0
        for area in self._areas:
            # Of a shared mapping nothing is lost: the pages go back to the system's cache of the file.
            area.madvise(mmap.MADV_DONTNEED)

    def _refusal(self, size: int, error: OSError) -> str:
        free = ""
        if self._folder.is_dir():
            free = f" ({shutil.disk_usage(self._folder).free / 2**20:,.0f} MiB are free)"
        return (
            f"A temporary file of {size / 2**20:,.0f} MiB for the task vectors can't be made in "
            f"`{self._folder}`: {error.strerror or error}{free}. Make room there, set MERGESCOPE_HOME to a folder on "
            "another disk, or choose `--memory bfloat16`."
        )


Memory = InMemory | Mapped


def _reserve(file: IO[bytes], size: int) -> None:
    """Make the file `size` bytes long and have the disk set them aside, so that writing to the mapping can't fail."""
    if sys.platform == "linux":
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    block = bytes(2**20)
    for begin in range(0, size, len(block)):
        file.write(block[: size - begin])
    file.flush()
