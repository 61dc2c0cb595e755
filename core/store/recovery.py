"""A damaged database is moved aside, never deleted; what can still be read of it moves to a fresh one."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, TableClause, insert, update
from sqlalchemy.exc import IntegrityError

from core.store.adoption import adopt
from core.store.database import Database
from core.store.faults import is_damage
from core.store.records import STATUSES
from core.store.tables import MIGRATIONS, OF_RUN, RUNS, STUDIES, blank, migrate

_OBJECTS = "SELECT type, name, sql FROM sqlite_master"

Row = dict[str, Any]
Saved = Counter[tuple[str, bool]]
"""What and whether it was saved -> how many."""

_WHOLE_CHECK_BYTES = 64 * 2**20
"""Up to this size the whole file is checked at each start (about 0.1 s); above, the list of runs is."""
_PART = 500
"""Rows that are copied at once."""
_ID = re.compile(r"[0-9a-f]{12}")


def made_sound(database: Database, artefacts: Path) -> str:
    """Repair the database if it is damaged and bring it up to date; what had to be repaired, in plain words."""
    path, said = database.path, ""
    if not path.exists() and _unfinished(path).exists():  # A repair ended between its last two steps.
        _unfinished(path).replace(path)
    wrong = damage(path)
    new = not path.exists() or not path.stat().st_size
    if wrong:
        place, saved = repair(path)
        said = f"The database of runs was damaged ({wrong}) and is kept in {place}. {told(saved)}"
    migrate(database)
    if wrong or new:
        found, silent = adopt(database, artefacts)
        said = said or ("The database of runs was missing or empty." if found or silent else "")
        said += f" Of {found} more, the merged models are intact; they are listed again." if found else ""
        said += f" Folders of files that belong to no known run: {silent}." if silent else ""
    return said


def damage(path: Path) -> str | None:
    """What is wrong with the database at `path`; None for a sound or absent one."""
    if not path.exists() or not path.stat().st_size:
        log = path.with_name(f"{path.name}-wal")
        return "it is missing, but its log is not" if log.exists() and log.stat().st_size else None
    with closing(sqlite3.connect(path)) as connection:
        try:
            return _wrong(connection, whole=path.stat().st_size <= _WHOLE_CHECK_BYTES)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # Python can't decode SQLite's message where it quotes damaged bytes.
            if isinstance(error, UnicodeDecodeError) or is_damage(error):
                return " ".join(str(error).split())
            raise


def _wrong(connection: sqlite3.Connection, *, whole: bool) -> str | None:
    layout = _layout(connection.execute(_OBJECTS).fetchall())
    if not layout:
        return None
    if ("table", "schema_version") not in layout or ("table", "runs") not in layout:
        return "its list of tables is incomplete"
    version = (connection.execute("SELECT version FROM schema_version").fetchone() or (None,))[0]
    if not isinstance(version, int) or version < 1:
        return "its version is missing"
    with blank(version) as fresh:
        # What another program has added, such as an index or the statistics of ANALYZE, does no harm.
        if version <= len(MIGRATIONS) and not _layout(fresh.exec_driver_sql(_OBJECTS).all()).items() <= layout.items():
            return "its tables are not those of its version"
    connection.execute("SELECT count(*) FROM runs").fetchone()
    check = "PRAGMA quick_check(1)" if whole else "PRAGMA quick_check(runs)"
    found = str(connection.execute(check).fetchone()[0])
    return None if found == "ok" else " ".join(found.split())


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


def repair(path: Path) -> tuple[Path, Saved]:
    """Put a fresh database with all that can be read at `path`; where the damaged one is kept, and what was saved.

    Until the fresh one is complete the damaged one stays where it is, so that a repair that is interrupted begins anew.
    """
    place, fresh = aside(path.parent), _unfinished(path)
    for left in path.parent.glob(f"{fresh.name}*"):
        left.unlink()
    database = Database(fresh, write=True)
    migrate(database)
    with _source(path, place) as source:
        saved = _copied(source, database, place)
    database.close()
    for suffix in ("-shm", "-wal", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(place / part.name)
    fresh.replace(path)
    return place, saved


def _unfinished(path: Path) -> Path:
    return path.with_name(f"repaired-{path.name}")


def _copied(source: sqlite3.Connection, database: Database, place: Path) -> Saved:
    saved: Saved = Counter()
    for ordinal in _ordinals(source, RUNS):
        saved["run", _copy_run(source, database, ordinal, place)] += 1
    for ordinal in _ordinals(source, STUDIES):
        saved["study", _copy_study(source, database, ordinal)] += 1
    return saved


def told(saved: Saved) -> str:
    """What was saved and what was not, in a sentence or two."""
    if not saved:
        return "Its list of runs can't be read, so it is not known how many it held."
    parts = {
        good: ", ".join(_counted(saved[kind, good], kind) for kind in ("run", "study") if saved[kind, good])
        for good in (True, False)
    }
    lost = f"{parts[False]} could not, or only in part" if parts[False] else "nothing is known to be lost"
    return f"{parts[True] or 'Nothing'} could be recovered; {lost}."


def _counted(count: int, kind: str) -> str:
    return f"{count} {kind if count == 1 else {'run': 'runs', 'study': 'studies'}[kind]}"


@contextmanager
def _source(path: Path, place: Path) -> Iterator[sqlite3.Connection]:
    """The damaged database; a copy of one whose first page can't be read gets that of a fresh one, whose tables begin
    at the same pages."""
    with ExitStack() as stack:
        if path.exists():
            source = stack.enter_context(closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)))
            source.row_factory = sqlite3.Row
            with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                source.execute("SELECT ordinal FROM runs LIMIT 1").fetchone()
                yield source
                return
        folder = place / "mended"
        folder.mkdir()
        stack.callback(shutil.rmtree, folder)
        mended = folder / path.name
        database = Database(mended, write=True)
        migrate(database)
        database.close()
        whole = mended.read_bytes()
        size = int.from_bytes(whole[16:18], "big")
        if path.exists():
            shutil.copyfile(path, mended)
        pages = max(mended.stat().st_size, len(whole)) // size
        with mended.open("r+b") as file:
            file.write(whole[:28] + pages.to_bytes(4, "big") + whole[32:size])
        log = path.with_name(f"{path.name}-wal")
        if log.exists():
            shutil.copyfile(log, mended.with_name(log.name))
        source = stack.enter_context(closing(sqlite3.connect(mended)))
        source.row_factory = sqlite3.Row
        yield source


def _copy_run(source: sqlite3.Connection, database: Database, ordinal: int, kept: Path) -> bool:
    """Whether a run could be copied with all its records, a part of them in memory at a time."""
    run = _row(source, RUNS, ordinal)
    if not run or not _ID.fullmatch(str(run[0].get("id"))):
        return False
    there = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    whole = True
    try:
        with database.writing() as connection:
            _put(connection, RUNS, run)
            for table in OF_RUN:
                for rows, complete in _rows(source, table, "run", ordinal) if table.name in there else ():
                    _put(connection, table, rows)
                    whole = whole and complete
            if not whole:
                said = f"Quarantined: records of this run are damaged; see {kept}"
                connection.execute(update(RUNS).where(RUNS.c.ordinal == ordinal).values(status="failed", error=said))
    except IntegrityError:
        return False
    return whole


def _copy_study(source: sqlite3.Connection, database: Database, ordinal: int) -> bool:
    study = _row(source, STUDIES, ordinal)
    if not study or not _is_study(study[0]):
        return False
    try:
        with database.writing() as connection:
            _put(connection, STUDIES, study)
    except IntegrityError:
        return False
    return True


def _put(connection: Connection, table: TableClause, rows: list[Row]) -> None:
    # Damage can reach the layout as well and rename a column.
    if known := [{name: value for name, value in row.items() if name in table.c} for row in rows]:
        connection.execute(insert(table), known)


def _is_study(row: Row) -> bool:
    try:
        plain = isinstance(json.loads(row["options"]), dict) and isinstance(json.loads(row["cells"]), list)
    except (ValueError, TypeError, LookupError):
        return False
    return plain and bool(_ID.fullmatch(str(row.get("id")))) and row.get("status") in STATUSES


def _ordinals(source: sqlite3.Connection, table: TableClause) -> list[int]:
    # The index on ids is a tree of its own; where it is the damaged one, the table itself is walked instead.
    for order in ("id", "ordinal"):
        try:
            found = source.execute(f"SELECT ordinal FROM {table.name} ORDER BY {order}").fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            continue
        return sorted({int(row[0]) for row in found if isinstance(row[0], int)})
    return []


def _row(source: sqlite3.Connection, table: TableClause, ordinal: int) -> list[Row]:
    """The one row, if it can be read."""
    return next((rows for rows, _ in _rows(source, table, "ordinal", ordinal) if rows), [])


def _rows(source: sqlite3.Connection, table: TableClause, column: str, value: int) -> Iterator[tuple[list[Row], bool]]:
    """The rows of a run that can be read, in parts, from both ends up to what is damaged; with each part, whether
    nothing is known to be missing."""
    ends, last = "number" if "number" in table.c else column, None
    for way in ("ASC", "DESC"):
        part, whole = list[Row](), way == "ASC"
        try:
            for row in source.execute(f"SELECT * FROM {table.name} WHERE {column} = ? ORDER BY {ends} {way}", (value,)):
                if way == "DESC" and last is not None and row[ends] <= last:
                    break
                part.append(dict(row))
                if len(part) == _PART:
                    yield part, whole
                    part = []
                if way == "ASC":
                    last = row[ends]
        except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError):
            whole = False
        yield part, whole
        if whole:
            return
