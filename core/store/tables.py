"""The tables of the store, as SQLAlchemy sees them; `migrations.py` makes them."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()


def _run() -> Column[int]:
    return Column("run", Integer, ForeignKey("runs.ordinal", ondelete="CASCADE"), primary_key=True)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


VERSION = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

RUNS = Table(
    "runs",
    METADATA,
    Column("ordinal", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    *(_text(name) for name in ("name", "suite", "origin", "method", "adapted_on", "created")),
    Column("status", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    *(Column(name, Text) for name in ("started", "finished", "error", "summary")),
    *(_text(name, "{}") for name in ("settings", "execution", "hashes")),
    *(_text(name, "[]") for name in ("tasks", "groups")),
    Column("steps_done", Integer, nullable=False, server_default="0"),
    Column("samples_seen", Integer, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False, server_default="0"),
    Column("peak_memory_mb", Float),
    Column("average_accuracy", Float),
    _text("cell"),
)

STEPS = Table(
    "steps",
    METADATA,
    _run(),
    Column("number", Integer, primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("samples", Integer, nullable=False),
    Column("losses", Text, nullable=False),
    Column("entropies", Text, nullable=False),
)

COEFFICIENTS = Table(
    "coefficients",
    METADATA,
    _run(),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""λ of a step, little-endian float32 `[groups, tasks]`; apart from `steps`, so that losses are read alone."""

CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    _run(),
    Column("number", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

EVALUATIONS = Table(
    "evaluations",
    METADATA,
    _run(),
    *(Column(name, Integer, primary_key=True) for name in ("number",)),
    *(Column(name, Text, primary_key=True) for name in ("split", "kind", "task")),
    Column("correct", Integer),
    Column("total", Integer, nullable=False),
    Column("entropy", Float, nullable=False),
    Column("complete", Integer, nullable=False),
)

REPORTS = Table("reports", METADATA, _run(), Column("body", Text, nullable=False))

STUDIES = Table(
    "studies",
    METADATA,
    Column("ordinal", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    *(_text(name) for name in ("name", "suite", "origin", "created")),
    Column("status", Text, nullable=False),
    *(Column(name, Text) for name in ("finished", "error")),
    _text("options", "{}"),
    _text("cells", "[]"),
)
"""Families of runs that answer one question; a cell and its run share a content key (`runs.cell`)."""

OF_RUN = (STEPS, COEFFICIENTS, CHECKPOINTS, EVALUATIONS, REPORTS)
"""Tables whose rows belong to one run."""
