"""Runs whose records are lost but whose merged models stand: they are listed again as far as the models tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from core.errors import BadInput
from core.store.database import Database
from core.store.opened import checked
from core.store.records import encode
from core.store.tables import RUNS

LOST = "The records of this run are lost; its merged model is intact. Export it, or start a new run."


def adopt(database: Database, artefacts: Path) -> tuple[int, int]:
    """Give each folder of files without a run its run; how many were told from their models, and how many were not."""
    with database.reading() as connection:
        known = set(connection.execute(select(RUNS.c.id)).scalars())
    found, silent = 0, 0
    for folder in sorted(artefacts.iterdir()) if artefacts.is_dir() else ():
        if folder.name in known or not folder.is_dir() or not any(folder.iterdir()):
            continue
        rows = [row for row in map(_told, sorted(folder.glob("*.safetensors"))) if row is not None]
        with database.writing() as connection:
            for row in rows[:1]:
                connection.execute(insert(RUNS).values(**row))
        found, silent = found + bool(rows), silent + (not rows)
    return found, silent


def _told(path: Path) -> dict[str, Any] | None:
    """The row of a run as the header of its model has it."""
    from core.checkpoints.formats import open_file  # Here, because it needs torch.

    try:
        told = open_file(path).metadata
        settings = json.loads(told["settings"])
        row: dict[str, Any] = {name: told[name] for name in ("suite", "method")} | {
            "id": checked(path.parent.name),
        }
        row |= {"tasks": encode(json.loads(told["tasks"])), "hashes": encode(json.loads(told["hashes"]))}
        row |= {"seed": int(told["seed"]), "steps": int(settings.get("steps", 0)), "settings": encode(settings)}
    except (BadInput, ValueError, TypeError, LookupError, AttributeError):
        return None
    if told.get("run") != row["id"]:
        return None
    row["created"] = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    return row | {"origin": row["suite"], "status": "failed", "error": LOST}
