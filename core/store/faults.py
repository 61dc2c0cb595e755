"""Failures of disk and database in plain words."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from core.errors import CannotWrite, RunFailed, refusal
from core.files import refusals

_SQLITE = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_IOERR_SHMSIZE": errno.ENOSPC,
    "SQLITE_IOERR": errno.EIO,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_PERM": errno.EACCES,
    "SQLITE_CANTOPEN": errno.EACCES,
}
_UNDECODABLE = "Could not decode to UTF-8"
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


_DAMAGED = "the database is damaged. Open the store again to repair it."


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
        with refusals(what):
            yield
    except UnicodeDecodeError as error:
        raise Damaged(f"{what} failed: {_DAMAGED}") from error
    except (DBAPIError, sqlite3.Error) as error:
        if is_damage(error):
            raise Damaged(f"{what} failed: {_DAMAGED}") from error
        raise _of_database(what, error) from error


def _of_database(what: str, error: DBAPIError | sqlite3.Error) -> CannotWrite:
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(origin, "sqlite_errorname", None) or ""
    for prefix, number in _SQLITE.items():
        if name.startswith(prefix):
            return refusal(what, OSError(number, os.strerror(number)))
    return CannotWrite(f"{what} failed: {origin}.")
