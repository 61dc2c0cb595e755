"""The bytes of a pickle, taken in order and counted."""

from __future__ import annotations

import struct
from typing import BinaryIO

from core.checkpoints.inert.values import require

MAX_BYTES = 32 * 2**20
"""A pickled ViT-H with its text tower takes about 1 MB beside its numbers."""
MAX_LINE = 1000


class Program:
    """Reads the pickle that begins at the stream's position; what follows it is left where it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, MAX_BYTES

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        self._left -= count
        require(self._left >= 0, f"more than {MAX_BYTES >> 20} MiB of objects beside its numbers")
        found = self._stream.read(count)
        require(len(found) == count, "an end in the middle of its objects (truncated)")
        return found

    def unsigned(self, count: int) -> int:
        """A little-endian unsigned integer of `count` bytes."""
        return int.from_bytes(self.take(count), "little")

    def signed(self, count: int) -> int:
        """A little-endian signed integer of `count` bytes."""
        return int.from_bytes(self.take(count), "little", signed=True)

    def real(self) -> float:
        """A big-endian double."""
        value: float = struct.unpack(">d", self.take(8))[0]
        return value

    def line(self) -> str:
        """Text up to the end of the line."""
        found = self._stream.readline(MAX_LINE)
        self._left -= len(found)
        require(found.endswith(b"\n") and self._left >= 0, "an endless name")
        return found[:-1].decode("utf-8")
