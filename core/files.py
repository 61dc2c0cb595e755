"""Files read and written so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then put it in place.

    Whatever fails on the way (OSError included), a previous file at `path` stays as it was.
    """
    # Not `tempfile`, whose files nobody but their owner can read.
    temporary = path.parent / f".{path.name[:200]}.{secrets.token_hex(6)}"
    try:
        temporary.touch(exist_ok=False)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, making its folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_text(text, "utf-8"))


def remember(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file of the cache, if that is possible: where it is not, what it holds is computed again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)


def inside(path: Path, *roots: Path) -> bool:
    """Whether the file that `path` really names (links followed) lies in one of `roots`."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(root.resolve()) for root in roots)
