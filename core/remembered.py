"""What takes a while and can be computed again at any time: JSON values and tensors, each in a file of the cache.

A file begins with the hash of the rest: one that is damaged or holds something else is as good as none. Where none can
be written, or nothing tells when the value changes (its file is None), it is computed each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from core.errors import CannotWrite
from core.files import write_atomically
from core.lazily import torch

T = TypeVar("T")
_DAMAGE = (OSError, ValueError, TypeError, LookupError, RuntimeError)
"""What reading a damaged file, or one of something else, may raise."""


def key(parts: Sequence[object]) -> str:
    """Another name for other `parts`, which are all that a value depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recall(file: Path | None, read: Callable[[Any], T]) -> T | None:
    """What `read` makes of the JSON in a file; None where it can make nothing of it."""
    try:
        return None if file is None else read(json.loads(_content(file)))
    except _DAMAGE:
        return None


def keep(file: Path | None, plain: Any) -> None:
    """Let the file hold this as JSON."""
    _write(file, json.dumps(plain).encode())


def value(file: Path | None, known_by: str, compute: Callable[[], Any]) -> Any:
    """The JSON value in a file, if it is `known_by` the same as when it was kept; else what `compute` says, which then
    takes its place there."""
    made = recall(file, lambda plain: plain["value"] if plain["key"] == known_by else None)
    if made is None:
        made = compute()
        keep(file, {"key": known_by, "value": made})
    return made


def tensor(file: Path | None, name: str, shape: tuple[int, ...], compute: Callable[[], torch.Tensor]) -> torch.Tensor:
    """The tensor of that name in a safetensors file, if its shape is this and its numbers are finite; else what
    `compute` says, which is then kept there."""
    from safetensors.torch import load, save

    if file is not None:
        with suppress(SafetensorError, *_DAMAGE):
            found = load(_content(file))[name]
            if found.shape == shape and found.isfinite().all():
                # Where a tensor begins in memory can decide the last bits of a product: a copy begins as new ones do.
                return found.clone()
    made = compute()
    _write(file, save({name: made}))
    return made


def _content(file: Path) -> bytes:
    digest, _, content = file.read_bytes().partition(b"\n")
    if digest != _digest(content):
        raise ValueError("these bytes are not those that were written")
    return content


def _write(file: Path | None, content: bytes) -> None:
    if file is not None:
        with suppress(OSError, CannotWrite):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, lambda path: path.write_bytes(_digest(content) + b"\n" + content))


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
