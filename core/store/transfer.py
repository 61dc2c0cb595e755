"""A whole run on its way from one store to another, such as that of a worker on another machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update

from core.files import write_atomically
from core.store.artefacts import STATE
from core.store.opened import OpenedStore
from core.store.state import tidy
from core.store.tables import OF_RUN, RUNS

_OWN = ("ordinal", "id", "name", "created")
"""What a run keeps of the store that it lies in."""


@dataclass(frozen=True)
class Packed:
    """All that a store holds of a run."""

    run: Mapping[str, Any]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    """Table -> the run's rows, without its number."""
    files: Mapping[str, bytes]


class Transfers(OpenedStore):
    """Giving runs away and taking them in."""

    def packed(self, run_id: str) -> Packed:
        """All of a run; large states and merged models are read into memory."""
        with self._looking(f"Reading run {run_id}", run_id) as (connection, number):
            run = connection.execute(select(RUNS).where(RUNS.c.ordinal == number)).mappings().one()
            rows = {}
            for table in OF_RUN:
                found = connection.execute(select(table).where(table.c.run == number)).mappings()
                rows[table.name] = [{name: value for name, value in row.items() if name != "run"} for row in found]
        folder = self._artefacts.path(run_id, "none", make=False).parent
        files = {file.name: file.read_bytes() for file in folder.glob("[!.]*")}
        return Packed({name: value for name, value in run.items() if name != "ordinal"}, rows, files)

    def take(self, packed: Packed) -> str:
        """Hold a run as it was packed, in place of what was here of it; its files first, then its rows, all or nothing.

        Returns its id. It keeps the name that it has here.
        """
        run_id = str(packed.run["id"])
        for name, data in packed.files.items():
            write_atomically(self._artefacts.path(run_id, name, make=True), partial(Path.write_bytes, data=data))
        with self.writing(f"Taking in run {run_id}") as connection:
            query = select(RUNS.c.ordinal).where(RUNS.c.id == run_id)
            if connection.execute(query).scalar() is None:
                connection.execute(insert(RUNS).values(**packed.run))
            else:
                facts = {name: value for name, value in packed.run.items() if name not in _OWN}
                connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(**facts))
            number = connection.execute(query).scalar_one()
            for table in OF_RUN:
                connection.execute(delete(table).where(table.c.run == number))
                if rows := packed.rows[table.name]:
                    connection.execute(insert(table), [{"run": number, **row} for row in rows])
        kept = next((name for name in packed.files if name.startswith(STATE)), None)
        tidy(self._artefacts, run_id, int(kept.removeprefix(STATE).partition(".")[0]) if kept else None)
        return run_id
