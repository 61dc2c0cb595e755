"""One safetensors file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor

from core.checkpoints.header import DTYPES, read_header
from core.checkpoints.source import CheckpointSource, TensorEntry, fill, opened


class SafetensorsFile(CheckpointSource):
    """A file whose header was checked byte by byte; see `read_header`."""

    format = "safetensors"

    def __init__(self, path: Path) -> None:
        self.path, self._header = path, read_header(path)
        self.metadata = self._header.metadata
        self.table = {name: TensorEntry(DTYPES[info.dtype], info.shape) for name, info in self._header.tensors.items()}

    @property
    def files(self) -> tuple[Path, ...]:
        """See `CheckpointSource.files`."""
        return (self.path,)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """See `CheckpointSource.read`."""
        with opened(self.path) as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            for name in names:
                info = self._header.tensors[name]
                file.seek(start + info.begin)
                yield name, fill(file, name, DTYPES[info.dtype], info.shape)
