"""Image files and folders for tests, and suites that use them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from core.tasks.sources import Place


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Noise of this width and height."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def fill(folder: Path, count: int, suffix: str = ".png", seed: int = 0) -> Path:
    """So many pictures in a folder, named by number."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        picture(seed * 1000 + index).save(folder / f"{index:03}{suffix}")
    return folder


def class_folders(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """A folder per class with so many pictures each."""
    for at, (name, count) in enumerate(counts.items()):
        fill(root / name, count, seed=seed + at)
    return root


def everywhere(root: Path) -> Place:
    """A place where paths start from `root` and nothing outside may be opened."""
    return Place(lambda named: root / named, lambda path: path.resolve().is_relative_to(root.resolve()))


def with_data(suite: Path, task: int, data: dict[str, Any], **changes: Any) -> Path:
    """Give a task of a tiny suite other images; `None` removes a key of the task."""
    description = yaml.safe_load(suite.read_text())
    entry = description["tasks"][task] | {"data": data} | changes
    description["tasks"][task] = {key: value for key, value in entry.items() if value is not None}
    suite.write_text(yaml.safe_dump(description, sort_keys=False))
    return suite


def huge_png(width: int, height: int) -> bytes:
    """A small valid PNG that decodes to width × height grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join([packer.compress(row * 1000) for _ in range(height // 1000)]) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
