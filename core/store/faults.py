"""Failures of disk and database in plain words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from core.errors import RunFailed
from core.files import write_atomically

_REMEDIES = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk quota is used up. Free some space",
    errno.EFBIG: "the file is larger than this system allows. Choose another folder",
    errno.EIO: "the disk reports an input/output error. Check the disk, or choose another folder",
    errno.EACCES: "permission denied. Make the folder writable, or choose another one",
    errno.EPERM: "permission denied. Make the folder writable, or choose another one",
    errno.EROFS: "the file system is read-only. Choose another folder",
    errno.ENOENT: "the folder is gone. Create it again, or choose another one",
    errno.ENOTDIR: "a file is in the way of the folder. Move it, or choose another folder",
    errno.EISDIR: "a folder is in the way of the file. Move it, or choose another name",
}
_SQLITE = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_IOERR": errno.EIO,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_PERM": errno.EACCES,
    "SQLITE_CANTOPEN": errno.EACCES,
}
_UNDECODABLE = "Could not decode to UTF-8"
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


_DAMAGED = "the database is damaged. Open the store again to repair it."


class CannotWrite(RunFailed):
    """Disk full, read-only or failing: the last checkpoint is intact and the run can be resumed."""


class Damaged(RunFailed):
    """Bytes of the store are not what was written."""


def is_damage(error: BaseException) -> bool:
    """Whether `error` says that the database's bytes are corrupt."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(origin, "sqlite_errorname", None) or ""
    return isinstance(origin, sqlite3.Error) and (name.startswith(_DAMAGE) or str(origin).startswith(_UNDECODABLE))


@contextmanager
def plainly(what: str) -> Iterator[None]:
    """Turn OSError and database errors inside the block into one line about `what`.

    Raises `CannotWrite` for a full, failing or protected disk and `Damaged` for a corrupt database.
    """
    try:
        yield
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0) or error.strerror or error
        raise CannotWrite(f"{what} failed: {reason}.") from error
    except UnicodeDecodeError as error:
        raise Damaged(f"{what} failed: {_DAMAGED}") from error
    except (DBAPIError, sqlite3.Error) as error:
        if is_damage(error):
            raise Damaged(f"{what} failed: {_DAMAGED}") from error
        raise CannotWrite(f"{what} failed: {_of_database(error)}.") from error


def put(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make the file at `path`; what was there stays until it is complete. Raises `CannotWrite`."""
    with plainly(f"Writing {path}"):
        write_atomically(path, write)


def _of_database(error: DBAPIError | sqlite3.Error) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(origin, "sqlite_errorname", None) or ""
    for prefix, number in _SQLITE.items():
        if name.startswith(prefix):
            return _REMEDIES[number]
    return f"{origin}"
