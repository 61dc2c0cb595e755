"""Runs in the store: what they are, how they stand, and their files."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, func, insert, select, update
from sqlalchemy.exc import DatabaseError

from core.errors import BadInput, CannotWrite, UnknownName
from core.files import sha256
from core.store import recovery
from core.store.faults import is_damage
from core.store.opened import OpenedStore, checked, now
from core.store.records import ACTIVE, STATUSES, RunRecord, encode, quarantined, run_record, summary
from core.store.state import tidy
from core.store.steps import totals
from core.store.tables import ARTEFACTS, CHECKPOINTS, REPORTS, RUNS

_NAME_LENGTH = 100
_AT_ONCE = 200
"""Rows in memory: with the names of its groups one has some ten thousand bytes."""
_FACTS = frozenset(
    ("name", "settings", "seed", "tasks", "steps", "execution", "hashes", "adapted_on", "peak_memory_mb")
)
_ENCODED = ("settings", "execution", "hashes", "tasks", "groups")


class Runs(OpenedStore):
    """The runs of a store, but for their steps."""

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
        run_id = secrets.token_hex(6)
        values = {"suite": suite, "method": method, "seed": seed, "steps": steps, "adapted_on": adapted_on}
        values |= {"settings": dict(settings), "execution": dict(execution), "hashes": dict(hashes)}
        values |= {"tasks": list(tasks), "name": name[:_NAME_LENGTH], "origin": origin or suite, "cell": cell}
        with self.writing("Creating a run") as connection:
            row = {"id": run_id, "status": "queued", "created": now(), **_encoded(values)}
            connection.execute(insert(RUNS).values(**row))
        return run_id

    def run(self, run_id: str, *, whole: bool = True) -> RunRecord:
        """One run, its report with the histories if `whole`; raises `UnknownName`."""
        with self._looking(f"Reading run {run_id}", run_id) as (connection, number):
            return self._now(_read(connection, number, whole), self.abandoned())

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
        query = select(RUNS).order_by(RUNS.c.ordinal.desc()).limit(limit)
        if not cells:
            query = query.where(RUNS.c.cell == "")
        if statuses is not None:
            query = query.where(RUNS.c.status.in_(statuses))
        if suite is not None:
            query = query.where(RUNS.c.suite == suite)
        with self.reading("Listing the runs") as connection:
            records, abandoned = _listed(connection, query), self.abandoned()
        return [self._now(record, abandoned) for record in records]

    def set_status(self, run_id: str, status: str, error: str | None = None) -> None:
        """Note a status; where the disk refuses, this process shows it all the same until it ends."""
        _check_status(status)
        try:
            with self._changing(f"Noting run {run_id} as {status}", run_id) as (connection, number):
                _note_status(connection, number, status, error)
        except CannotWrite:
            self._unsaved[run_id] = (status, error)
            raise
        self._unsaved.pop(run_id, None)

    def describe(self, run_id: str, **facts: Any) -> None:
        """Replace facts that became known after `create`, such as execution, hashes, tasks or steps."""
        if unknown := sorted(set(facts) - _FACTS):
            raise UnknownName("fact of a run", unknown[0], sorted(_FACTS))
        with self._changing(f"Describing run {run_id}", run_id) as (connection, number):
            connection.execute(update(RUNS).where(RUNS.c.ordinal == number).values(**_encoded(facts)))

    def finish(self, run_id: str, report: Mapping[str, Any]) -> None:
        """Store the report, note the run as done, and drop the checkpoint that nobody needs any more."""
        with self._changing(f"Finishing run {run_id}", run_id) as (connection, number):
            connection.execute(delete(REPORTS).where(REPORTS.c.run == number))
            connection.execute(insert(REPORTS).values(run=number, body=encode(report)))
            connection.execute(delete(CHECKPOINTS).where(CHECKPOINTS.c.run == number))
            facts = {name: report.get(name) for name in ("average_accuracy", "peak_memory_mb")}
            facts["summary"] = encode(summary(report))
            connection.execute(update(RUNS).where(RUNS.c.ordinal == number).values(**facts))
            _note_status(connection, number, "done", None)
        tidy(self._artefacts, run_id, None)
        self._unsaved.pop(run_id, None)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name, at most 100 printable characters; empty for none."""
        if len(name) > _NAME_LENGTH or not name.isprintable():
            raise BadInput(f"`name` should be at most {_NAME_LENGTH} printable characters. Found {name[:40]!r}.")
        self.describe(run_id, name=name)

    def delete(self, run_id: str) -> None:
        """Remove a run with all its records and artefacts; raises `BadInput` for one still going on."""
        try:
            self._forget(run_id)
        except CannotWrite:
            # A full disk has no room to note the change. The run's files make some, and go in any case.
            if self.run(run_id, whole=False).status in ACTIVE:
                raise
            self._artefacts.remove(run_id)
            self._forget(run_id)
        self._unsaved.pop(run_id, None)
        self._artefacts.remove(run_id)

    def _forget(self, run_id: str) -> None:
        with self._changing(f"Deleting run {run_id}", run_id) as (connection, number):
            if self._now(_read(connection, number)).status in ACTIVE:
                raise BadInput(f"Run {run_id} is still running. Cancel it, then delete it.")
            connection.execute(delete(RUNS).where(RUNS.c.ordinal == number))

    def artefact(self, run_id: str, filename: str) -> Path:
        """Where a file of a run lies or is to be written, always inside the run's own folder."""
        return self._artefacts.path(checked(run_id), filename, make=not self.read_only)

    def artefacts(self, run_id: str) -> list[str]:
        """Names of the files of a run, whether they are still whole or not."""
        return sorted({*self._hashes(run_id), *self._artefacts.names(run_id)})

    def keep(self, run_id: str, filename: str, write: Callable[[Path], object]) -> None:
        """Let `write` make a file of a run, all or nothing, and note the hash of its bytes."""
        write(path := self.artefact(run_id, filename))
        digest = sha256(path)
        with self._changing(f"Noting {filename} of run {run_id}", run_id) as (connection, number):
            row = {"run": number, "name": filename, "sha256": digest}
            connection.execute(insert(ARTEFACTS).prefix_with("OR REPLACE").values(**row))

    def kept(self, run_id: str, filename: str) -> Path:
        """Where a file of a run lies, its bytes those that were written.

        Raises `Damaged` for any other, which is moved into `quarantine` where this process may write.
        """
        path, expected = self._artefacts.path(checked(run_id), filename, make=False), self._hashes(run_id).get(filename)
        self._artefacts.require(path, expected, None if self.read_only else partial(recovery.aside, self.folder))
        return path

    def _hashes(self, run_id: str) -> dict[str, str]:
        """File of a run -> its hash."""
        with self._looking(f"Listing the files of run {run_id}", run_id) as (connection, number):
            query = select(ARTEFACTS.c.name, ARTEFACTS.c.sha256).where(ARTEFACTS.c.run == number)
            return {name: sha256 for name, sha256 in connection.execute(query)}


def _check_status(status: str) -> None:
    if status not in STATUSES:
        raise UnknownName("status", status, STATUSES)


def _encoded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: encode(value) if name in _ENCODED else value for name, value in values.items()}


def _read(connection: Connection, number: int, whole: bool = True) -> RunRecord:
    row = connection.execute(select(RUNS).where(RUNS.c.ordinal == number)).mappings().one()
    report = connection.execute(select(REPORTS.c.body).where(REPORTS.c.run == number)).scalar() if whole else None
    return _with_cost(connection, run_record(row, report))


def _listed(connection: Connection, query: Select[Any]) -> list[RunRecord]:
    """The runs of a query, without the histories of their reports."""
    try:
        result = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
        names = tuple(result.keys())  # SQLAlchemy's own mappings take longer than all the rest.
        return [_with_cost(connection, run_record(dict(zip(names, row, strict=True)))) for row in result]
    except DatabaseError as error:
        if not is_damage(error):
            raise
    return _one_by_one(connection, query)


def _note_status(connection: Connection, number: int, status: str, error: str | None) -> None:
    """Note a new status, and when the run started or ended."""
    time = now()
    values: dict[str, Any] = {"status": status, "error": error, "finished": None if status in ACTIVE else time}
    if status == "running":
        values["started"] = func.coalesce(RUNS.c.started, time)
    connection.execute(update(RUNS).where(RUNS.c.ordinal == number).values(**values))


def _with_cost(connection: Connection, record: RunRecord) -> RunRecord:
    """The version before stored a changed λ as if it had cost nothing: its parent's steps up to there are added."""
    changed = record.what_if
    if changed is None or changed.seconds is not None:
        return record
    place = select(RUNS.c.ordinal)
    query = place.where(RUNS.c.id == changed.of, RUNS.c.ordinal < place.where(RUNS.c.id == record.id).scalar_subquery())
    number = connection.execute(query).scalar()
    if number is None:
        return record
    parent = _read(connection, number)
    if parent.what_if is None:
        seconds, samples = totals(connection, number, changed.step)
    elif parent.what_if.seconds is not None:
        seconds, samples = parent.seconds, parent.samples_seen
    else:
        return record
    whole = replace(changed, seconds=seconds, samples=samples)
    seconds, samples = record.seconds + seconds, record.samples_seen + samples
    more = {"seconds": seconds, "seconds_per_step": seconds, "samples_seen": samples, "what_if": whole.plain()}
    report = record.report and record.report | more
    execution = replace(record.execution, what_if=whole)
    return replace(record, seconds=seconds, samples_seen=samples, execution=execution, report=report)


def _one_by_one(connection: Connection, query: Select[Any]) -> list[RunRecord]:
    # The index of ids is a tree of its own, so a damaged page of the table does not hide the other runs.
    found = []
    for run_id in list(connection.execute(select(RUNS.c.id).order_by(RUNS.c.id)).scalars()):
        try:
            row: RowMapping | None = connection.execute(query.where(RUNS.c.id == run_id)).mappings().first()
        except DatabaseError as error:
            if not is_damage(error):
                raise
            found.append((0, quarantined(run_id, "database page unreadable")))
        else:
            if row is not None:
                found.append((int(row["ordinal"]), _with_cost(connection, run_record(row))))
    return [record for _, record in sorted(found, key=lambda pair: -pair[0])]
