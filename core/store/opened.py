"""A store that was opened: its folder, its transactions, and who may write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, select

from core.errors import StoreReadOnly, UnknownName
from core.store.artefacts import Artefacts
from core.store.database import Database, WriteLock
from core.store.faults import plainly
from core.store.records import ACTIVE, RunRecord
from core.store.tables import RUNS, blank

_FILE = "runs.sqlite3"
_ID = re.compile(r"[0-9a-f]{12}")
_SHOWN = 10


def now() -> str:
    """The time of day for people; durations never come from it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def checked(run_id: object) -> str:
    """`run_id` if it has the form of a run's id; anything else never reaches a query or a path."""
    if isinstance(run_id, str) and _ID.fullmatch(run_id):
        return run_id
    raise UnknownName("run", f"{run_id!r:.40}", ["12 characters of 0-9 and a-f, as `runs list` shows"])


class OpenedStore:
    """What the tables of a store have in common."""

    def __init__(self, folder: Path, lock: WriteLock, *, write: bool, holder: str | None = None) -> None:
        self.folder = folder
        self.read_only = not write
        """Whether mutating calls are refused."""
        self.holder = holder
        """Read-only stores: the process that writes, in words; None where there is none."""
        self.changes = 0
        """Counts what this process has written, steps aside: what was read before may be out of date after."""
        self._lock = lock
        self._artefacts = Artefacts(folder / "artefacts")
        self._database = Database(folder / _FILE, write=write)
        self._unsaved: dict[str, tuple[str, str | None]] = {}

    def close(self) -> None:
        """Give up the database and the right to write; calling it twice does no harm."""
        self._database.close()
        if not self.read_only:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def abandoned(self) -> bool:
        """Whether this one only reads and nobody writes: a run goes on only where a process does."""
        return self.read_only and self._lock.holder() is None

    @contextmanager
    def writing(self, what: str, *, counted: bool = True) -> Iterator[Connection]:
        """One change, of which a failure says that it was `what`; raises `StoreReadOnly`."""
        if self.read_only:
            by = f"{self.holder} writes" if self.holder else "they were opened for reading only"
            raise StoreReadOnly(
                f"The runs in {self.folder} can't be changed here: {by}. Use that process, stop it, or choose "
                "another folder with --runs."
            )
        with plainly(what), self._database.writing() as connection:
            yield connection
        self.changes += counted  # after the commit: whoever has read the new count reads the new data

    @contextmanager
    def reading(self, what: str) -> Iterator[Connection]:
        """A consistent view; that of an empty store where there is no database."""
        source: Callable[[], AbstractContextManager[Connection]] = self._database.reading
        if not self._database.path.exists():
            source = blank
        with plainly(what), source() as connection:
            yield connection

    @contextmanager
    def _changing(self, what: str, run_id: str, *, counted: bool = True) -> Iterator[tuple[Connection, int]]:
        """A change of one run, with the number of its row; raises `UnknownName`."""
        checked(run_id)
        with self.writing(what, counted=counted) as connection:
            yield connection, _ordinal(connection, run_id)

    @contextmanager
    def _looking(self, what: str, run_id: str) -> Iterator[tuple[Connection, int]]:
        """A view of one run, with the number of its row; raises `UnknownName`."""
        checked(run_id)
        with self.reading(what) as connection:
            yield connection, _ordinal(connection, run_id)

    def _now(self, record: RunRecord, abandoned: bool = False) -> RunRecord:
        if record.id in self._unsaved:
            status, error = self._unsaved[record.id]
            return replace(record, status=status, error=error)
        if abandoned and record.status in ACTIVE:
            return replace(record, status="interrupted")
        return record


def _ordinal(connection: Connection, run_id: str) -> int:
    found = connection.execute(select(RUNS.c.ordinal).where(RUNS.c.id == run_id)).scalar()
    if found is None:
        latest = select(RUNS.c.id).order_by(RUNS.c.ordinal.desc()).limit(_SHOWN)
        raise UnknownName("run", run_id, list(connection.execute(latest).scalars()))
    return int(found)
