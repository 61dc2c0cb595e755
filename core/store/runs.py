"""Rows of the table of runs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, func, insert, select, update
from sqlalchemy.exc import DatabaseError

from core.errors import UnknownName
from core.store.faults import is_damage
from core.store.records import ACTIVE, RunRecord, encode, quarantined, run_record, summary
from core.store.steps import totals
from core.store.tables import ARTEFACTS, CHECKPOINTS, REPORTS, RUNS, STUDIES

_ID = re.compile(r"[0-9a-f]{12}")
_SHOWN = 10
_AT_ONCE = 200
"""Rows in memory: with the names of its groups one has some ten thousand bytes."""


def now() -> str:
    """The time of day for people; durations never come from it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def checked(run_id: object) -> str:
    """`run_id` if it has the form of a run's id; anything else never reaches a query or a path."""
    if isinstance(run_id, str) and _ID.fullmatch(run_id):
        return run_id
    raise UnknownName("run", f"{run_id!r:.40}", ["12 characters of 0-9 and a-f, as `runs list` shows"])


def create(connection: Connection, values: Mapping[str, Any]) -> str:
    """Insert a queued run under a fresh random id."""
    run_id = secrets.token_hex(6)
    row = {name: encode(value) if name in _ENCODED else value for name, value in values.items()}
    connection.execute(insert(RUNS).values(id=run_id, status="queued", created=now(), **row))
    return run_id


def ordinal(connection: Connection, run_id: str) -> int:
    """The row number of a run; raises `UnknownName`."""
    found = connection.execute(select(RUNS.c.ordinal).where(RUNS.c.id == checked(run_id))).scalar()
    if found is None:
        latest = select(RUNS.c.id).order_by(RUNS.c.ordinal.desc()).limit(_SHOWN)
        raise UnknownName("run", run_id, list(connection.execute(latest).scalars()))
    return int(found)


def read(connection: Connection, run_id: str, whole: bool = True) -> RunRecord:
    """One run, its report with the histories if `whole`."""
    number = ordinal(connection, run_id)
    row = connection.execute(select(RUNS).where(RUNS.c.ordinal == number)).mappings().one()
    report = connection.execute(select(REPORTS.c.body).where(REPORTS.c.run == number)).scalar() if whole else None
    return _with_cost(connection, run_record(row, report))


def listing(
    connection: Connection, statuses: Sequence[str] | None, suite: str | None, limit: int | None, cells: bool = True
) -> list[RunRecord]:
    """Runs, newest first, without the histories of their reports; those of studies only if `cells`."""
    query = select(RUNS).order_by(RUNS.c.ordinal.desc()).limit(limit)
    if not cells:
        query = query.where(RUNS.c.cell == "")
    if statuses is not None:
        query = query.where(RUNS.c.status.in_(statuses))
    if suite is not None:
        query = query.where(RUNS.c.suite == suite)
    try:
        result = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
        names = tuple(result.keys())  # SQLAlchemy's own mappings take longer than all the rest.
        return [_with_cost(connection, run_record(dict(zip(names, row, strict=True)))) for row in result]
    except DatabaseError as error:
        if not is_damage(error):
            raise
    return _one_by_one(connection, query)


def set_status(connection: Connection, run_id: str, status: str, error: str | None) -> None:
    """Note a new status, and when the run started or ended."""
    number, time = ordinal(connection, run_id), now()
    values: dict[str, Any] = {
        "status": status,
        "error": error,
        "finished": None if status in ACTIVE else time,
    }
    if status == "running":
        values["started"] = func.coalesce(RUNS.c.started, time)
    connection.execute(update(RUNS).where(RUNS.c.ordinal == number).values(**values))


def interrupt_active(connection: Connection) -> None:
    """Runs and studies whose process went away without a word become `interrupted`."""
    for table in (RUNS, STUDIES):
        query = update(table).where(table.c.status.in_(ACTIVE))
        connection.execute(query.values(status="interrupted", finished=now()))


def describe(connection: Connection, run_id: str, values: Mapping[str, Any]) -> None:
    """Replace facts about a run; raises `UnknownName` for anything that is none."""
    unknown = sorted(set(values) - _FACTS)
    if unknown:
        raise UnknownName("fact of a run", unknown[0], sorted(_FACTS))
    row = {name: encode(value) if name in _ENCODED else value for name, value in values.items()}
    connection.execute(update(RUNS).where(RUNS.c.ordinal == ordinal(connection, run_id)).values(**row))


def finish(connection: Connection, run_id: str, report: Mapping[str, Any]) -> None:
    """Store the report, note the run as done and drop the checkpoint nobody needs any more."""
    number = ordinal(connection, run_id)
    connection.execute(delete(REPORTS).where(REPORTS.c.run == number))
    connection.execute(insert(REPORTS).values(run=number, body=encode(report)))
    connection.execute(delete(CHECKPOINTS).where(CHECKPOINTS.c.run == number))
    facts = {name: report.get(name) for name in ("average_accuracy", "peak_memory_mb")}
    connection.execute(update(RUNS).where(RUNS.c.ordinal == number).values(summary=encode(summary(report)), **facts))
    set_status(connection, run_id, "done", None)


def remove(connection: Connection, run_id: str) -> None:
    """Delete a run; the rows that belong to it go with it."""
    connection.execute(delete(RUNS).where(RUNS.c.ordinal == ordinal(connection, run_id)))


def keep(connection: Connection, run_id: str, name: str, sha256: str) -> None:
    """Note the hash of a file of a run."""
    row = {"run": ordinal(connection, run_id), "name": name, "sha256": sha256}
    connection.execute(insert(ARTEFACTS).prefix_with("OR REPLACE").values(**row))


def kept(connection: Connection, run_id: str) -> dict[str, str]:
    """File of a run -> its hash."""
    query = select(ARTEFACTS.c.name, ARTEFACTS.c.sha256).where(ARTEFACTS.c.run == ordinal(connection, run_id))
    return {name: sha256 for name, sha256 in connection.execute(query)}


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
    parent = read(connection, changed.of)
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


_FACTS = frozenset(
    ("name", "settings", "seed", "tasks", "steps", "execution", "hashes", "adapted_on", "peak_memory_mb")
)
_ENCODED = ("settings", "execution", "hashes", "tasks", "groups")
