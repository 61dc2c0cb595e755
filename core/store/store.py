"""The store of runs: everything a page or command shows of a run comes from here."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import update

from core.store import recovery
from core.store.database import WriteLock
from core.store.faults import plainly
from core.store.opened import now
from core.store.records import ACTIVE
from core.store.runs import Runs
from core.store.steps import Steps
from core.store.studies import Studies
from core.store.tables import RUNS, STUDIES, require_current
from core.store.transfer import Transfers

log = logging.getLogger(__name__)


class Store(Runs, Steps, Transfers):
    """Runs on disk: one SQLite database and one folder of artefacts per run.

    Made by `Store.open`. Every mutating call is one transaction, safe from several threads, and raises
    `StoreReadOnly` where another process writes, `CannotWrite` where the disk refuses.
    """

    notices: tuple[str, ...] = ()
    """What opening had to repair, in plain words."""

    @classmethod
    def open(cls, folder: Path, *, write: bool = True, wait: float = 2.0) -> Store:
        """Open or create the store in `folder`; read-only where another process still writes after `wait` s.

        Opening for writing repairs: a damaged database is moved aside, and runs that a vanished process left
        behind become `interrupted`.
        """
        folder = Path(folder).expanduser().absolute()
        lock = WriteLock(folder)
        with plainly(f"Opening the runs in {folder}"):
            if write:
                folder.mkdir(parents=True, exist_ok=True)
                if lock.acquire(wait):
                    store = cls(folder, lock, write=True)
                    with ExitStack() as undo:
                        undo.callback(store.close)
                        store._repair()
                        undo.pop_all()
                    return store
            store = cls(folder, lock, write=False, holder=lock.holder() or ("another process" if write else None))
            if store._database.path.exists():
                require_current(store._database)
        return store

    @property
    def studies(self) -> Studies:
        """The families of runs."""
        return Studies(self)

    def _repair(self) -> None:
        if said := recovery.made_sound(self._database, self.folder / "artefacts"):
            self.notices += (said,)
            log.warning("%s", said)
        with self._database.writing() as connection:
            for table in (RUNS, STUDIES):  # Their process went away without a word.
                query = update(table).where(table.c.status.in_(ACTIVE))
                connection.execute(query.values(status="interrupted", finished=now()))
        self._artefacts.sweep()
