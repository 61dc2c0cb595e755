"""A damaged database is moved aside, never deleted; what can still be read of it moves to a fresh one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import TableClause, insert
from sqlalchemy.exc import IntegrityError

from core.store.database import Database
from core.store.faults import is_damage
from core.store.migrations import MIGRATIONS, blank
from core.store.tables import OF_RUN, RUNS

_TABLES = "SELECT type, name, sql FROM sqlite_master"

Row = dict[str, Any]

_WHOLE_CHECK_BYTES = 64 * 2**20
"""Up to this size the whole file is checked at each start (about 0.1 s); above, the list of runs is."""


def damage(path: Path) -> str | None:
    """What is wrong with the database at `path`; None for a sound or absent one."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as connection:
        try:
            return _wrong(connection, whole=path.stat().st_size <= _WHOLE_CHECK_BYTES)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # Python can't decode SQLite's message where it quotes damaged bytes.
            if isinstance(error, UnicodeDecodeError) or is_damage(error):
                return str(error)
            raise


def _wrong(connection: sqlite3.Connection, *, whole: bool) -> str | None:
    layout = _layout(connection.execute(_TABLES).fetchall())
    if not layout:
        return None
    if ("table", "schema_version") not in layout or ("table", "runs") not in layout:
        return "its list of tables is incomplete"
    version = connection.execute("SELECT version FROM schema_version").fetchone()
    with blank() as fresh:
        if version == (len(MIGRATIONS),) and layout != _layout(fresh.exec_driver_sql(_TABLES).all()):
            return "its tables are not those of this version"
    connection.execute("SELECT count(*) FROM runs").fetchone()
    check = "PRAGMA quick_check(1)" if whole else "PRAGMA quick_check(runs)"
    found = str(connection.execute(check).fetchone()[0])
    return None if found == "ok" else found.replace("\n", " ")


def _layout(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], str]:
    return {(kind, name): text for kind, name, text in rows}


def aside(store: Path) -> Path:
    """A new folder below `quarantine` for what is damaged."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    home = store / "quarantine"
    number = sum(1 for _ in home.glob(f"{stamp}*")) if home.is_dir() else 0
    folder = home / f"{stamp}-{number}"
    folder.mkdir(parents=True)
    return folder


def move_aside(path: Path) -> Path:
    """Move the database and its log into a folder of `aside`; returns the moved file."""
    folder = aside(path.parent)
    for suffix in ("-shm", "-wal", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(folder / part.name)
    return folder / path.name


def salvage(moved: Path, database: Database) -> tuple[int, int]:
    """Copy every wholly readable run into `database`; returns how many were saved and how many were lost.

    Of a run whose own row is readable but whose records are not, the row is kept as a failed run.
    """
    saved = lost = 0
    with closing(sqlite3.connect(f"file:{quote(str(moved))}?mode=ro", uri=True)) as source:
        source.row_factory = sqlite3.Row
        for ordinal in _ordinals(source):
            run = _rows(source, "SELECT * FROM runs WHERE ordinal = ?", ordinal)
            belongings = {
                table: _rows(source, f"SELECT * FROM {table.name} WHERE run = ?", ordinal) for table in OF_RUN
            }
            whole = all(rows is not None for rows in belongings.values())
            reason = {
                "status": "failed",
                "error": f"Quarantined: records of this run are damaged; see {moved.parent}",
            }
            if run and _insert(database, run[0] | ({} if whole else reason), belongings) and whole:
                saved += 1
            else:
                lost += 1
    return saved, lost


def _insert(database: Database, run: Row, belongings: dict[TableClause, list[Row] | None]) -> bool:
    try:
        with database.writing() as connection:
            connection.execute(insert(RUNS), [_known(RUNS, run)])
            for table, rows in belongings.items():
                if rows:
                    connection.execute(insert(table), [_known(table, row) for row in rows])
    except IntegrityError:
        return False
    return True


def _known(table: TableClause, row: Row) -> Row:
    # Damage can reach the layout as well and rename a column.
    return {name: value for name, value in row.items() if name in table.c}


def _ordinals(source: sqlite3.Connection) -> list[int]:
    # The index on ids is a tree of its own; where it is the damaged one, the table itself is walked instead.
    for query in ("SELECT ordinal FROM runs ORDER BY id", "SELECT ordinal FROM runs ORDER BY ordinal"):
        found = _rows(source, query)
        if found is not None:
            return sorted({int(row["ordinal"]) for row in found})
    return []


def _rows(source: sqlite3.Connection, query: str, *values: int) -> list[Row] | None:
    try:
        return [dict(row) for row in source.execute(query, values)]
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
