"""What takes a while and can be computed again at any time: JSON values and tensors, each in a file of the cache.

A file that is damaged or holds something else is as good as none. Where none can be written, or nothing tells when the
value changes (its file is None), it is computed each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import CannotWrite
from core.files import write_atomically

T = TypeVar("T")


def key(parts: Sequence[object]) -> str:
    """Another name for other `parts`, which are all that a value depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def value(file: Path | None, read: Callable[[Any], T], plain: Callable[[T], Any], compute: Callable[[], T]) -> T:
    """What the file holds, by `read`; else what `compute` says, whose `plain` form is then kept there as JSON."""
    found = recall(file, read)
    if found is None:
        found = compute()
        keep(file, plain(found))
    return found


def recall(file: Path | None, read: Callable[[Any], T]) -> T | None:
    """What `read`, which may raise `TypeError` or `ValueError`, makes of the JSON in a file; None where it can't."""
    try:
        return None if file is None else read(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep(file: Path | None, plain: Any) -> None:
    """Let the file hold this as JSON."""
    _write(file, lambda path: path.write_text(json.dumps(plain), "utf-8"))


def tensor(file: Path | None, name: str, shape: tuple[int, ...], compute: Callable[[], Tensor]) -> Tensor:
    """The tensor of that name in a safetensors file, if its shape is this and its numbers are finite; else what
    `compute` says, which is then kept there."""
    if file is not None:
        with suppress(OSError, SafetensorError, KeyError):
            found = load_file(file)[name]
            if found.shape == shape and found.isfinite().all():
                return found
    made = compute()
    _write(file, lambda path: save_file({name: made}, path))
    return made


def _write(file: Path | None, write: Callable[[Path], object]) -> None:
    if file is not None:
        with suppress(OSError, CannotWrite):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, write)
