"""The tables of the store: numbered changes of their layout, each applied once, in one transaction with its number.

They are the only place that says what the tables are made of: their names are read off it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby

from sqlalchemy import Connection, TableClause, column, create_engine, inspect, table, text
from sqlalchemy.pool import StaticPool

from core.errors import BadInput
from core.store.database import Database

_OWNER = "run INTEGER NOT NULL REFERENCES runs (ordinal) ON DELETE CASCADE"
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (  # Runs, their steps, λ, checkpoint, evaluations and report.
        "CREATE TABLE schema_version (version INTEGER NOT NULL)",
        """CREATE TABLE runs (
            ordinal INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL DEFAULT '', suite TEXT NOT NULL DEFAULT '', origin TEXT NOT NULL DEFAULT '',
            method TEXT NOT NULL DEFAULT '', adapted_on TEXT NOT NULL DEFAULT '',
            created TEXT NOT NULL DEFAULT '',
            status TEXT NOT NULL, seed INTEGER NOT NULL, steps INTEGER NOT NULL,
            started TEXT, finished TEXT, error TEXT, summary TEXT,
            settings TEXT NOT NULL DEFAULT '{}', execution TEXT NOT NULL DEFAULT '{}',
            hashes TEXT NOT NULL DEFAULT '{}', tasks TEXT NOT NULL DEFAULT '[]',
            groups TEXT NOT NULL DEFAULT '[]',
            steps_done INTEGER NOT NULL DEFAULT 0, samples_seen INTEGER NOT NULL DEFAULT 0,
            seconds FLOAT NOT NULL DEFAULT 0, peak_memory_mb FLOAT, average_accuracy FLOAT)""",
        "CREATE INDEX runs_by_status ON runs (status)",
        "CREATE INDEX runs_by_suite ON runs (suite)",
        f"""CREATE TABLE steps ({_OWNER}, number INTEGER NOT NULL, seconds FLOAT NOT NULL,
            samples INTEGER NOT NULL, losses TEXT NOT NULL, entropies TEXT NOT NULL,
            PRIMARY KEY (run, number)) WITHOUT ROWID""",
        f"""CREATE TABLE coefficients ({_OWNER}, number INTEGER NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (run, number))""",
        f"""CREATE TABLE checkpoints ({_OWNER} PRIMARY KEY, number INTEGER NOT NULL, sha256 TEXT NOT NULL,
            data BLOB NOT NULL)""",
        f"""CREATE TABLE evaluations ({_OWNER}, number INTEGER NOT NULL, split TEXT NOT NULL,
            kind TEXT NOT NULL, task TEXT NOT NULL, correct INTEGER, total INTEGER NOT NULL, entropy FLOAT NOT NULL,
            complete INTEGER NOT NULL, PRIMARY KEY (run, number, split, kind, task)) WITHOUT ROWID""",
        f"CREATE TABLE reports ({_OWNER} PRIMARY KEY, body TEXT NOT NULL)",
    ),
    (  # Studies, and the content key of a run that is a cell of one.
        "ALTER TABLE runs ADD COLUMN cell TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX runs_by_cell ON runs (cell)",
        """CREATE TABLE studies (
            ordinal INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL DEFAULT '', suite TEXT NOT NULL DEFAULT '', origin TEXT NOT NULL DEFAULT '',
            created TEXT NOT NULL DEFAULT '',
            status TEXT NOT NULL, finished TEXT, error TEXT,
            options TEXT NOT NULL DEFAULT '{}', cells TEXT NOT NULL DEFAULT '[]')""",
    ),
    (  # Agreement with the experts and KL to them, and the step whose model a run kept.
        "ALTER TABLE evaluations ADD COLUMN agreeing INTEGER",
        "ALTER TABLE evaluations ADD COLUMN kl FLOAT",
        "ALTER TABLE runs ADD COLUMN kept INTEGER",
    ),
    (  # Hashes of what is kept: files of a run, and λ of each step. What earlier versions kept has none.
        "ALTER TABLE coefficients ADD COLUMN sha256 TEXT",
        """CREATE TABLE artefacts (run INTEGER NOT NULL REFERENCES runs (ordinal) ON DELETE CASCADE,
            name TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID""",
    ),
)


def _apply(connection: Connection, migration: Iterable[str]) -> None:
    for statement in migration:
        connection.execute(text(statement))


def version(connection: Connection) -> int:
    """How many migrations the database has seen; 0 for an empty one."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    return connection.execute(text("SELECT version FROM schema_version")).scalar() or 0


def migrate(database: Database) -> None:
    """Bring a writable database up to date.

    Raises `BadInput` for one that a newer Mergescope has written.
    """
    for number, migration in enumerate(MIGRATIONS, start=1):
        with database.writing() as connection:
            found = version(connection)
            if found < number:
                _apply(connection, migration)
                connection.execute(text("DELETE FROM schema_version"))
                connection.execute(text("INSERT INTO schema_version (version) VALUES (:number)"), {"number": number})
    require_known(found, database)


@contextmanager
def blank(version: int | None = None) -> Iterator[Connection]:
    """An empty database in memory, up to date or of an earlier version: what a store without runs looks like."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        for migration in MIGRATIONS[:version]:
            _apply(connection, migration)
        yield connection
    engine.dispose()


def require_current(database: Database) -> None:
    """Raise `BadInput` where a database opened for reading is of another version."""
    with database.reading() as connection:
        found = version(connection)
    require_known(found, database)
    if found < len(MIGRATIONS):
        raise BadInput(
            f"The runs in {database.path.parent} were written by an older Mergescope (layout {found}, "
            f"expected {len(MIGRATIONS)}). Open them once for writing to update them."
        )


def require_known(found: int, database: Database) -> None:
    """Raise `BadInput` where the layout `found` is newer than this program."""
    if found > len(MIGRATIONS):
        raise BadInput(
            f"The runs in {database.path.parent} were written by a newer Mergescope (layout {found}, "
            f"this one knows {len(MIGRATIONS)}). Update Mergescope, or choose another folder with --runs."
        )


_COLUMNS = "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'"


def _made() -> dict[str, TableClause]:
    with blank() as connection:
        rows = connection.exec_driver_sql(_COLUMNS).all()
    return {name: table(name, *(column(own) for _, own in group)) for name, group in groupby(rows, lambda row: row[0])}


_TABLES = _made()
RUNS = _TABLES["runs"]
STEPS = _TABLES["steps"]
COEFFICIENTS = _TABLES["coefficients"]
"""λ of a step, little-endian float32 `[groups, tasks]`; apart from `steps`, so that losses are read alone."""
CHECKPOINTS = _TABLES["checkpoints"]
ARTEFACTS = _TABLES["artefacts"]
EVALUATIONS = _TABLES["evaluations"]
REPORTS = _TABLES["reports"]
STUDIES = _TABLES["studies"]
"""Families of runs that answer one question; a cell and its run share a content key (`runs.cell`)."""
OF_RUN = (STEPS, COEFFICIENTS, CHECKPOINTS, EVALUATIONS, REPORTS, ARTEFACTS)
"""Tables whose rows belong to one run."""
