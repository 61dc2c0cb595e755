"""Rows of the table of studies, and the runs that are their cells."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from core.errors import UnknownName
from core.store.opened import OpenedStore, now
from core.store.records import ACTIVE, RunRecord, StudyRecord, encode, run_record
from core.store.tables import RUNS, STUDIES

_PART = 400
"""Keys in one query; SQLite takes at most 999 values."""
_ENCODED = ("options", "cells")


class Studies:
    """The studies of one store; `store.studies`. Mutating calls raise as those of the store do."""

    def __init__(self, store: OpenedStore) -> None:
        self._store = store

    def create(
        self, *, name: str, suite: str, origin: str, options: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]
    ) -> str:
        """A new queued study; returns its id, 12 hex digits."""
        study_id = secrets.token_hex(6)
        row = {"name": name, "suite": suite, "origin": origin, "options": encode(dict(options))}
        row |= {"cells": encode([dict(cell) for cell in cells]), "status": "queued", "created": now(), "id": study_id}
        with self._store.writing("Creating a study") as connection:
            connection.execute(insert(STUDIES).values(**row))
        return study_id

    def get(self, study_id: str) -> StudyRecord:
        """One study; raises `UnknownName`."""
        with self._store.reading("Reading a study") as connection:
            row = connection.execute(select(STUDIES).where(STUDIES.c.id == str(study_id))).mappings().first()
            if row is None:
                known = select(STUDIES.c.id).order_by(STUDIES.c.ordinal.desc()).limit(10)
                raise UnknownName("study", str(study_id), list(connection.execute(known).scalars()))
        return self._record(row)

    def listing(self, *, suite: str | None = None, name: str | None = None) -> list[StudyRecord]:
        """Studies, newest first; of one suite or one kind where asked."""
        query = select(STUDIES).order_by(STUDIES.c.ordinal.desc())
        if suite is not None:
            query = query.where(STUDIES.c.suite == suite)
        if name is not None:
            query = query.where(STUDIES.c.name == name)
        with self._store.reading("Listing the studies") as connection:
            return [self._record(row) for row in connection.execute(query).mappings()]

    def describe(self, study_id: str, **facts: Any) -> None:
        """Replace `cells`, `options`, `status` or `error`; ending states note the time."""
        values = {name: encode(value) if name in _ENCODED else value for name, value in facts.items()}
        if "status" in facts:
            values["finished"] = None if facts["status"] in ACTIVE else now()
        with self._store.writing("Describing a study") as connection:
            connection.execute(update(STUDIES).where(STUDIES.c.id == study_id).values(**values))

    def runs_of(self, keys: Iterable[str]) -> dict[str, RunRecord]:
        """Content key -> its run: the newest that is done, else the newest; keys without a run are left out.

        Records are those of lists: their reports have no histories.
        """
        wanted = list(dict.fromkeys(key for key in keys if key))
        found: dict[str, RunRecord] = {}
        with self._store.reading("Reading the runs of a study") as connection:
            for begin in range(0, len(wanted), _PART):
                part = wanted[begin : begin + _PART]
                query = select(RUNS).where(RUNS.c.cell.in_(part)).order_by(RUNS.c.ordinal)
                for record in map(run_record, connection.execute(query).mappings()):
                    known = found.get(record.cell)
                    if known is None or known.status != "done" or record.status == "done":
                        found[record.cell] = record
        return found

    def _record(self, row: RowMapping) -> StudyRecord:
        facts = {name: row[name] for name in ("id", "name", "suite", "origin", "created", "status", "finished")}
        if facts["status"] in ACTIVE and self._store.abandoned():
            facts["status"] = "interrupted"
        cells = tuple(json.loads(row["cells"]))
        return StudyRecord(**facts, error=row["error"], options=json.loads(row["options"]), cells=cells)
