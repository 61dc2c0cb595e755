"""One safetensors file; its header is checked before any library parses it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from core.checkpoints.source import (
    MAX_DIMENSIONS,
    MAX_TENSORS,
    CheckpointSource,
    TensorEntry,
    check_table,
    fill,
    is_count,
    opened,
)
from core.errors import BadCheckpoint
from core.lazily import torch

MAX_HEADER = 10 * 2**20
MAX_PARTS = {b"{": 5 * MAX_TENSORS, b"[": 3 * MAX_TENSORS, b",": 50 * MAX_TENSORS}
"""How often each sign may stand in a header: JSON becomes many times larger when it is parsed."""
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""The element types that a vision encoder can have; anything else (packed or quantised) is refused."""


class SafetensorsFile(CheckpointSource):
    """A file whose header was checked byte by byte; see `read_header`."""

    format = "safetensors"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table, self._begins, self.metadata = read_header(path)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
        with opened(self.path) as file:
            for name in names:
                file.seek(self._begins[name])
                yield name, fill(file, name, self.table[name].dtype, self.table[name].shape)


def read_header(path: Path) -> tuple[dict[str, TensorEntry], dict[str, int], dict[str, str]]:
    """What the safetensors file at `path` holds, each tensor's first byte counted from the start, and its metadata.

    Raises `BadCheckpoint` for anything that is not exactly what the format describes: oversized or malformed
    headers, duplicate keys, odd names, overlapping or out-of-file data, holes.
    """
    with opened(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 10 or not 2 <= length <= min(MAX_HEADER, size - 8):
            raise BadCheckpoint(
                f"`{path.name}` is not a complete safetensors file: expected a header of 2 to "
                f"{min(MAX_HEADER, max(size - 8, 0)):,} bytes, found {length:,}. Fetch or export the file again."
            )
        raw = file.read(length)
    for sign, limit in MAX_PARTS.items():
        if raw.count(sign) > limit:
            raise BadCheckpoint(
                f"`{path.name}` has a malformed safetensors header: more parts than {MAX_TENSORS:,} tensors need."
            )
    try:
        entries = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120] or type(error).__name__
        raise BadCheckpoint(f"`{path.name}` has a malformed safetensors header: {reason}.") from None
    if not isinstance(entries, dict):
        raise BadCheckpoint(f"`{path.name}` has a malformed safetensors header: expected an object.")
    metadata = entries.pop("__metadata__", {})
    check_table(path.name, entries)
    places = {name: _entry(path.name, name, entry) for name, entry in entries.items()}
    _check_cover(path.name, places.values(), size - 8 - length)
    texts = metadata.items() if isinstance(metadata, dict) else ()
    return (
        {name: entry for name, (entry, _) in places.items()},
        {name: 8 + length + begin for name, (_, begin) in places.items()},
        {k: v for k, v in texts if isinstance(v, str)},
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table


def _entry(file: str, name: str, entry: object) -> tuple[TensorEntry, int]:
    """What one tensor is, and where it begins after the header."""
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end]} if len(
            shape
        ) <= MAX_DIMENSIONS and all(map(is_count, [*shape, begin, end])):
            pass
        case _:
            raise BadCheckpoint(
                f"`{file}`: tensor `{name}` is described wrongly; expected dtype, shape and data_offsets."
            )
    if dtype not in DTYPES:
        known = ", ".join(DTYPES)
        raise BadCheckpoint(
            f"`{file}`: tensor `{name}` has element type {dtype[:20]!r}; expected one of {known}. If it is "
            "quantised (8 bits, 4 bits), give the weights from before that."
        )
    found = TensorEntry(DTYPES[dtype], tuple(shape))
    if end - begin != found.nbytes:
        raise BadCheckpoint(f"`{file}`: tensor `{name}` has {end - begin:,} bytes, which do not fit its shape {shape}.")
    return found, begin


def _check_cover(file: str, tensors: Iterable[tuple[TensorEntry, int]], available: int) -> None:
    """The tensors must follow each other without hole or overlap and end at the file's end."""
    at = 0
    for entry, begin in sorted(tensors, key=lambda item: (item[1], item[0].nbytes)):
        if begin != at:
            raise BadCheckpoint(f"`{file}` has overlapping or missing data at byte {at:,}; fetch or export it again.")
        at += entry.nbytes
    if at != available:
        raise BadCheckpoint(
            f"`{file}` is {'truncated' if at > available else 'too long'}: expected {at:,} bytes of data, "
            f"found {available:,}. Fetch or export the file again."
        )
