"""The tables of the store by their names; what they are made of stands in `migrations` alone and is read off here."""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import TableClause, column, table

from core.store.migrations import blank

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
