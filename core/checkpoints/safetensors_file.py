"""One safetensors file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor

from core.checkpoints.header import read_header
from core.checkpoints.source import CheckpointSource, fill, opened


class SafetensorsFile(CheckpointSource):
    """A file whose header was checked byte by byte; see `read_header`."""

    format = "safetensors"

    def __init__(self, path: Path) -> None:
        header = read_header(path)
        self.path, self.table, self.metadata, self._begins = path, header.table, header.metadata, header.begins

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """See `CheckpointSource.read`."""
        with opened(self.path) as file:
            for name in names:
                file.seek(self._begins[name])
                yield name, fill(file, name, self.table[name].dtype, self.table[name].shape)
