"""The store of runs: everything a page or command shows of a run comes from here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection

from core.errors import BadInput, CannotWrite, StoreReadOnly, UnknownName
from core.files import sha256
from core.statistics import Evaluation, Half
from core.store import recovery
from core.store import runs as run_rows
from core.store import state as states
from core.store import steps as step_rows
from core.store.artefacts import Artefacts
from core.store.database import Database, WriteLock
from core.store.faults import plainly
from core.store.records import ACTIVE, STATUSES, EvaluationRecord, RunRecord, StepRecord
from core.store.studies import Studies
from core.store.tables import blank, require_current

if TYPE_CHECKING:
    from torch import Tensor

    from core.step import Step

_FILE = "runs.sqlite3"
_NAME_LENGTH = 100
log = logging.getLogger(__name__)


class Store:
    """Runs on disk: one SQLite database and one folder of artefacts per run.

    Made by `Store.open`. Every mutating call is one transaction, safe from several threads, and raises
    `StoreReadOnly` where another process writes, `CannotWrite` where the disk refuses.
    """

    def __init__(self, folder: Path, lock: WriteLock, *, write: bool, holder: str | None = None) -> None:
        self.folder = folder
        self.read_only = not write
        """Whether mutating calls are refused."""
        self.holder = holder
        """Read-only stores: the process that writes, in words; None where there is none."""
        self.notices: tuple[str, ...] = ()
        """What opening had to repair, in plain words."""
        self.changes = 0
        """Counts what this process has written, steps aside: what was read before may be out of date after."""
        self._lock = lock
        self._artefacts = Artefacts(folder / "artefacts")
        self._database = Database(folder / _FILE, write=write)
        self._unsaved: dict[str, tuple[str, str | None]] = {}
        self.studies = Studies(self._writing, self._reading, self.abandoned)

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

    def create(
        self,
        *,
        suite: str,
        method: str,
        settings: Mapping[str, Any],
        seed: int,
        tasks: Sequence[str],
        steps: int,
        execution: Mapping[str, Any],
        hashes: Mapping[str, str],
        adapted_on: str,
        name: str = "",
        origin: str = "",
        cell: str = "",
    ) -> str:
        """A new queued run; returns its id, 12 hex digits. `origin` finds the suite again (name or path)."""
        values = {"suite": suite, "method": method, "seed": seed, "steps": steps, "adapted_on": adapted_on}
        values |= {"settings": dict(settings), "execution": dict(execution), "hashes": dict(hashes)}
        values |= {"tasks": list(tasks), "name": name[:_NAME_LENGTH], "origin": origin or suite, "cell": cell}
        with self._writing("Creating a run") as connection:
            return run_rows.create(connection, values)

    def run(self, run_id: str, *, whole: bool = True) -> RunRecord:
        """One run, its report with the histories if `whole`; raises `UnknownName`."""
        with self._reading(f"Reading run {run_id}", run_id) as connection:
            return self._now(run_rows.read(connection, run_id, whole), self.abandoned())

    def runs(
        self,
        *,
        status: str | Sequence[str] | None = None,
        suite: str | None = None,
        limit: int | None = None,
        cells: bool = True,
    ) -> list[RunRecord]:
        """Runs, newest first, of one or several statuses, those of studies too if `cells`; a damaged run is failed."""
        statuses = (status,) if isinstance(status, str) else status
        for name in statuses or ():
            _check_status(name)
        with self._reading("Listing the runs") as connection:
            records, abandoned = run_rows.listing(connection, statuses, suite, limit, cells), self.abandoned()
        return [self._now(record, abandoned) for record in records]

    def record(self, run_id: str, step: Step) -> None:
        """Store a step, λ and the state to go on from, all or nothing. Storing a step again replaces it."""
        state = step.state() if step.state is not None and step.outcome is None else None
        state = states.parked(self._artefacts, run_id, step.number, state)
        with self._writing(f"Recording step {step.number} of run {run_id}", run_id, counted=False) as connection:
            step_rows.record(connection, run_rows.ordinal(connection, run_id), step, state)
        states.settled(self._artefacts, run_id, step.number, state)

    def steps(
        self, run_id: str, since: int = -1, limit: int | None = None, coefficients: bool = True
    ) -> list[StepRecord]:
        """Steps with a number above `since`, in order, at most `limit`; λ only if `coefficients`."""
        with self._reading(f"Reading the steps of run {run_id}", run_id) as connection:
            return step_rows.read(connection, run_rows.ordinal(connection, run_id), since, limit, coefficients)

    def last_state(self, run_id: str) -> tuple[int, dict[str, Tensor]] | None:
        """Number and state of the step to go on after; None where the run has to begin at its beginning."""
        with self._reading(f"Reading the checkpoint of run {run_id}", run_id) as connection:
            found = step_rows.last_state(connection, run_rows.ordinal(connection, run_id))
        return states.fetched(self._artefacts, run_id, found)

    def rewind(self, run_id: str) -> None:
        """Forget steps after the checkpoint, which are about to be made again."""
        with self._writing(f"Rewinding run {run_id}", run_id) as connection:
            number = run_rows.ordinal(connection, run_id)
            state = step_rows.last_state(connection, number)
            step_rows.drop_after(connection, number, state[0] if state else -1)

    def add_evaluation(
        self, run_id: str, step: int, evaluations: Iterable[Evaluation], full: bool = False, half: Half | None = None
    ) -> None:
        """Store what the model after `step` achieves on test images, all of them if `full`, or on a watched half."""
        with self._writing(f"Recording accuracies of run {run_id}", run_id) as connection:
            step_rows.add_evaluations(connection, run_rows.ordinal(connection, run_id), step, evaluations, full, half)

    def evaluations(self, run_id: str) -> list[EvaluationRecord]:
        """All stored accuracies of a run on test images, in the order of their steps."""
        with self._reading(f"Reading the accuracies of run {run_id}", run_id) as connection:
            return step_rows.evaluations(connection, run_rows.ordinal(connection, run_id))

    def watched(self, run_id: str) -> list[EvaluationRecord]:
        """How far a run agreed with the experts on the images that are watched, in the order of its steps."""
        with self._reading(f"Reading the agreement of run {run_id}", run_id) as connection:
            return step_rows.evaluations(connection, run_rows.ordinal(connection, run_id), halves=True)

    def set_status(self, run_id: str, status: str, error: str | None = None) -> None:
        """Note a status; where the disk refuses, this process shows it all the same until it ends."""
        _check_status(status)
        try:
            with self._writing(f"Noting run {run_id} as {status}", run_id) as connection:
                run_rows.set_status(connection, run_id, status, error)
        except CannotWrite:
            self._unsaved[run_id] = (status, error)
            raise
        self._unsaved.pop(run_id, None)

    def describe(self, run_id: str, **facts: Any) -> None:
        """Replace facts that became known after `create`, such as execution, hashes, tasks or steps."""
        with self._writing(f"Describing run {run_id}", run_id) as connection:
            run_rows.describe(connection, run_id, facts)

    def finish(self, run_id: str, report: Mapping[str, Any]) -> None:
        """Store the report and note the run as done."""
        with self._writing(f"Finishing run {run_id}", run_id) as connection:
            run_rows.finish(connection, run_id, report)
        states.tidy(self._artefacts, run_id, None)
        self._unsaved.pop(run_id, None)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name, at most 100 printable characters; empty for none."""
        if len(name) > _NAME_LENGTH or not name.isprintable():
            raise BadInput(f"`name` should be at most {_NAME_LENGTH} printable characters. Found {name[:40]!r}.")
        self.describe(run_id, name=name)

    def delete(self, run_id: str) -> None:
        """Remove a run with all its records and artefacts; raises `BadInput` for one still going on."""
        with self._writing(f"Deleting run {run_id}", run_id) as connection:
            if self._now(run_rows.read(connection, run_id)).status in ACTIVE:
                raise BadInput(f"Run {run_id} is still running. Cancel it, then delete it.")
            run_rows.remove(connection, run_id)
        self._unsaved.pop(run_id, None)
        self._artefacts.remove(run_id)

    def artefact(self, run_id: str, filename: str) -> Path:
        """Where a file of a run lies or is to be written, always inside the run's own folder."""
        return self._artefacts.path(run_rows.checked(run_id), filename, make=not self.read_only)

    def artefacts(self, run_id: str) -> list[str]:
        """Names of the files of a run, whether they are still whole or not."""
        with self._reading(f"Listing the files of run {run_id}", run_id) as connection:
            return sorted({*run_rows.kept(connection, run_id), *self._artefacts.names(run_id)})

    def keep(self, run_id: str, filename: str, write: Callable[[Path], object]) -> None:
        """Let `write` make a file of a run, all or nothing, and note the hash of its bytes."""
        write(path := self.artefact(run_id, filename))
        digest = sha256(path)
        with self._writing(f"Noting {filename} of run {run_id}", run_id) as connection:
            run_rows.keep(connection, run_id, filename, digest)

    def kept(self, run_id: str, filename: str) -> Path:
        """Where a file of a run lies, its bytes those that were written.

        Raises `Damaged` for any other, which is moved into `quarantine` where this process may write.
        """
        path = self._artefacts.path(run_rows.checked(run_id), filename, make=False)
        with self._reading(f"Reading {filename} of run {run_id}", run_id) as connection:
            expected = run_rows.kept(connection, run_id).get(filename)
        self._artefacts.require(path, expected, None if self.read_only else partial(recovery.aside, self.folder))
        return path

    def close(self) -> None:
        """Give up the database and the right to write; calling it twice does no harm."""
        self._database.close()
        if not self.read_only:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self, what: str, run_id: str | None = None, *, counted: bool = True) -> Iterator[Connection]:
        if run_id is not None:
            run_rows.checked(run_id)
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
    def _reading(self, what: str, run_id: str | None = None) -> Iterator[Connection]:
        if run_id is not None:
            run_rows.checked(run_id)
        source: Callable[[], AbstractContextManager[Connection]] = self._database.reading
        if not self._database.path.exists():
            source = blank
        with plainly(what), source() as connection:
            yield connection

    def abandoned(self) -> bool:
        """Whether this one only reads and nobody writes: a run goes on only where a process does."""
        return self.read_only and self._lock.holder() is None

    def _now(self, record: RunRecord, abandoned: bool = False) -> RunRecord:
        if record.id in self._unsaved:
            status, error = self._unsaved[record.id]
            return replace(record, status=status, error=error)
        if abandoned and record.status in ACTIVE:
            return replace(record, status="interrupted")
        return record

    def _repair(self) -> None:
        if said := recovery.made_sound(self._database, self.folder / "artefacts"):
            self.notices += (said,)
            log.warning("%s", said)
        with self._database.writing() as connection:
            run_rows.interrupt_active(connection)
        self._artefacts.sweep()


def _check_status(status: str) -> None:
    if status not in STATUSES:
        raise UnknownName("status", status, STATUSES)
