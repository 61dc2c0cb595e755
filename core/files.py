"""Files read and written so that nobody ever sees half of one."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from core.errors import CannotWrite, refusal

_NUMBER = re.compile(r"(?:os error|code:) (\d+)")
_HERE = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
_BEGUN = re.compile(r"(?:\..*|mergescope)\.([0-9a-f]{6})-(\d+)-[0-9a-f]{12}")
"""The folder of what is being written, with machine and process: nothing that looks otherwise is removed."""
_ABANDONED = 86_400.0


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn what the system refuses inside the block into `CannotWrite`, one line about `what`."""
    try:
        yield
    except OSError as error:
        raise refusal(what, error) from error
    except SafetensorError as error:  # No OSError, whatever the disk has refused.
        if found := _NUMBER.search(str(error)):
            raise refusal(what, OSError(int(found[1]), os.strerror(int(found[1])))) from error
        raise CannotWrite(f"{what} failed: {' '.join(str(error).split())}.") from error


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A place of its own beside `path` for a new file or folder, which is flushed and put there after the block.

    Whatever fails on the way, what was at `path` stays as it was and nothing is left; what a killed process leaves goes
    with the next write to that folder. With `private` nobody but its owner can read the file. Raises `CannotWrite`.
    """
    # A folder, since writers such as safetensors have temporary files of their own.
    holder = path.parent / _ours(f".{path.name[:40]}")  # A letter can take four of the 255 bytes of a name.
    with refusals(f"Writing {path}"):
        sweep(path.parent)
        holder.mkdir(0o700 if private else 0o777)
        try:
            made = holder / path.name
            yield made
            for file in made.rglob("*") if made.is_dir() else [made]:
                if file.is_file():
                    # Those writers let nobody but the owner read their files.
                    file.chmod(holder.stat().st_mode & 0o666)
                    with file.open("rb+") as opened:
                        os.fsync(opened.fileno())
            if made.is_dir() and path.is_dir():
                path.rmdir()  # Not every system replaces an empty one.
            made.replace(path)
        finally:
            shutil.rmtree(holder, ignore_errors=True)


def _ours(name: str) -> str:
    return f"{name}.{_HERE}-{os.getpid()}-{secrets.token_hex(6)}"


def scratch() -> Path:
    """A new folder for this process alone, which removes it at its end; those of killed ones are removed here."""
    place = Path(tempfile.gettempdir())
    with refusals(f"Writing {place}"):
        sweep(place, "mergescope.*")
        folder = place / _ours("mergescope")
        folder.mkdir(0o700)
    return folder


def sweep(folder: Path, names: str = ".*") -> None:
    """Remove what killed processes had begun to write in `folder`: those of other machines a day later."""
    for left in folder.glob(names):
        if found := _BEGUN.fullmatch(left.name):
            with suppress(OSError):
                here = found[1] == _HERE
                if not alive(int(found[2])) if here else time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def alive(pid: int) -> bool:
    """Whether a process of that number runs on this machine; True where that can't be known."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_atomically(path: Path, write: Callable[[Path], object], *, private: bool = False) -> None:
    """Let `write` fill a file that then replaces the one at `path`, as `replacing` does."""
    with replacing(path, private=private) as temporary:
        write(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, making its folder if needed."""
    with refusals(f"Writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_text(text, "utf-8"))


def inside(path: Path, *roots: Path) -> bool:
    """Whether the file that `path` really names (links followed) lies in one of `roots`."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(root.resolve()) for root in roots)
