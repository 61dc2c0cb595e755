"""The images of one split of one task, before they are decoded and after, in memory or in a file."""

from __future__ import annotations

import os
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from core.errors import RunFailed
from core.lazily import torch

SPLITS = ("train", "held-out", "test")
_PIECE = 512
"""Images that `split`, `numpy` and `sound` have in memory at once beside their result."""


class StoredPixels:
    """A uint8 array `[N, H, W, 3]` in a file; rows come as tensors and are checked against their checksums.

    They are read where and when they are asked for, so that a data set needs no memory of its size. Read and not
    mapped: the pages come from the system's cache either way, but a file that is cut off while it is mapped kills the
    process, and here it fails one run.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], checks: np.ndarray, on_damage: Callable[[], None] | None = None
    ) -> None:
        """`checks`: CRC-32 of each row, uint32 `[rows in the file]`; `on_damage` is told before a failure is raised.

        Raises `OSError` where the file can't be opened.
        """
        self._path, self._row, self._checks = path, shape, checks
        self._on_damage = on_damage
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, self._file)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(N, H, W, 3)`."""
        return (len(self._checks), *self._row)

    def __len__(self) -> int:
        return len(self._checks)

    def __getitem__(self, index: Any) -> torch.Tensor:
        """Rows by whatever indexes the first axis of a tensor; raises `RunFailed` where the file was damaged."""
        chosen = torch.arange(len(self))[index].numpy()
        out = np.empty((*chosen.shape, *self._row), np.uint8)
        for place, row in zip(out.reshape(-1, *self._row), chosen.reshape(-1), strict=True):
            place[:] = self._read(int(row))
        return torch.from_numpy(out)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self[index] for index in range(len(self)))

    def split(self, size: int) -> Iterator[torch.Tensor]:
        """The rows in order, `size` at a time."""
        return (self[begin : begin + size] for begin in range(0, len(self), size))

    def numpy(self) -> np.ndarray:
        """All rows in memory."""
        out = np.empty(self.shape, np.uint8)
        for begin in range(0, len(self), _PIECE):
            out[begin : begin + _PIECE] = self[begin : begin + _PIECE].numpy()
        return out

    def sound(self) -> bool:
        """Whether every row of the file is what was written."""
        return all(self._intact(row) is not None for row in range(len(self)))

    def _read(self, row: int) -> np.ndarray:
        found = self._intact(row)
        if found is None:
            if self._on_damage is not None:
                self._on_damage()
            raise RunFailed(
                f"Image {row} in the cache (`{self._path.name}`) was damaged or truncated while in use. The entry "
                "was dropped; start again, and the images are decoded again."
            )
        return found

    def _intact(self, row: int) -> np.ndarray | None:
        size = self._row[0] * self._row[1] * self._row[2]
        data = self._bytes(row * size, size)
        if len(data) != size or zlib.crc32(data) != self._checks[row]:
            return None
        return np.frombuffer(data, np.uint8).reshape(self._row)

    def _bytes(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file, size, offset)
        with self._lock:  # Windows has no read at a place.
            os.lseek(self._file, offset, os.SEEK_SET)
            return os.read(self._file, size)


Pixels: TypeAlias = "torch.Tensor | StoredPixels"
"""uint8 `[N, H, W, 3]`, in memory or in the image cache; both take `[index]`, `len`, `shape`, `split` and `numpy`."""


@dataclass(frozen=True)
class Images:
    """Decoded images and, where they are known, their labels."""

    pixels: Pixels
    """uint8 `[N, H, W, 3]`."""
    labels: torch.Tensor | None
    """int64 `[N]`, indices into the task's classes; None for unlabelled images."""

    skipped: int = 0
    """Unreadable files that were left out, as asked."""

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Listing:
    """One split of a source before anything is decoded: what the image cache is filled from."""

    title: str
    """For progress and messages: task and split."""
    count: int
    labels: np.ndarray | None
    """int64 `[N]`, in the source's own numbers; None where they are not known."""
    picture: Callable[[int], Image.Image]
    """The decoded picture at an index; raises `core.tasks.decode.Unreadable`."""
    name: Callable[[int], str]
    """What a message calls the picture at an index."""
    identity: str
    """Changes whenever a picture or the order may have changed."""

    def chosen(self, rows: np.ndarray, why: str) -> Listing:
        """These rows alone, int `[M]`; `why` says how they were chosen."""
        return replace(
            self,
            count=len(rows),
            labels=None if self.labels is None else self.labels[rows],
            picture=lambda index: self.picture(int(rows[index])),
            name=lambda index: self.name(int(rows[index])),
            identity=f"{self.identity} {why}",
        )
