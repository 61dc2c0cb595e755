"""One SQLite file in WAL mode: one writing connection behind a lock, reading connections beside it.

SQLite up to 3.51.2 can lose pages when two connections reset the write-ahead log at once; so only the writing
connection ever checkpoints, and readers open the file read-only. One process writes at a time, which leaves its name
beside the lock.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

from core.errors import CannotWrite
from core.files import alive, write_text

_BUSY_SECONDS = 5.0


class Database:
    """Transactions on one file; safe to use from several threads."""

    def __init__(self, path: Path, *, write: bool) -> None:
        self.path = path
        self._turn = threading.RLock()
        self._readers = _engine(self._read_only_connection, "BEGIN", pooled=True)
        self._writer = _engine(self._writing_connection, "BEGIN IMMEDIATE", pooled=False) if write else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction of the only writer: committed by the end of the block, undone by an exception."""
        if self._writer is None:
            raise RuntimeError("this database was opened for reading only")
        with self._turn, self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of everything committed so far."""
        with self._readers.begin() as connection:
            yield connection

    def close(self) -> None:
        """Fold the log into the file and give the connections back."""
        with self._turn:
            self._readers.dispose()
            if self._writer is not None:
                self._writer.dispose()

    def _writing_connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "wal_autocheckpoint=1000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _read_only_connection(self) -> sqlite3.Connection:
        location = f"file:{quote(str(self.path))}?mode=ro"
        log = self.path.with_name(f"{self.path.name}-wal")
        if not os.access(self.path.parent, os.W_OK) and not log.exists():
            return _connected(f"{location}&immutable=1")
        try:
            return _connected(location)
        except sqlite3.OperationalError as error:
            # SQLite wants to write beside what it reads. Without a log there is nothing but the file to be read.
            full = error.sqlite_errorname == "SQLITE_IOERR_SHMSIZE"
            if full and not (log.exists() and log.stat().st_size):
                return _connected(f"{location}&immutable=1")
            raise


def _connected(location: str) -> sqlite3.Connection:
    found = sqlite3.connect(location, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    found.execute("PRAGMA schema_version")  # Only now the file is opened.
    return found


def _engine(connect: object, begin: str, *, pooled: bool) -> Engine:
    if pooled:
        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=60)
    else:
        engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    # Python's own transaction handling leaves DDL outside; an explicit BEGIN keeps a migration whole.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


class WriteLock:
    """The right to write to one store."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "store.lock", thread_local=False)
        self._name = folder / "store.holder"

    def acquire(self, wait: float) -> bool:
        """Take the right within `wait` seconds; False where another process keeps it."""
        try:
            self._lock.acquire(timeout=wait)
        except Timeout:
            return False
        with suppress(CannotWrite):  # Deleting a run has to be possible on a full disk.
            write_text(self._name, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        return True

    def release(self) -> None:
        """Let the next process write."""
        self._name.unlink(missing_ok=True)
        self._lock.release()

    def holder(self) -> str | None:
        """The process that writes, in words; None where the last one went without leaving."""
        try:
            found = json.loads(self._name.read_text(encoding="utf-8"))
            pid, host = int(found["pid"]), str(found["host"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"
        return f"process {pid} on {host}" if host != socket.gethostname() or alive(pid) else None
