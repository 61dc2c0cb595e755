"""The YAML file that repeats a study exactly: every cell with all its settings, and the checkpoints' hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from core.errors import BadInput
from core.export.report import version
from core.settings import parse
from core.store import StudyRecord
from core.studies.engine.cells import Cell
from core.studies.engine.options import StudyOptions

MAX_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Recipe:
    """What a recipe file holds."""

    study: str
    suite: str
    options: StudyOptions
    cells: tuple[Cell, ...]
    hashes: Mapping[str, str]
    """Role -> SHA-256 of the checkpoint that the study was made with."""


def to_yaml(record: StudyRecord, hashes: Mapping[str, str]) -> str:
    """The recipe of a stored study."""
    values = {
        "study": record.name,
        "suite": record.origin,
        "mergescope": version(),
        "options": record.options,
        "hashes": dict(hashes),
        "cells": [{name: value for name, value in cell.items() if name != "key"} for cell in record.cells],
    }
    head = f"# Repeats a Mergescope study: python launch.py study --from THIS_FILE\n# {len(record.cells)} runs.\n"
    return head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def read(path: Path) -> Recipe:
    """The recipe in a file; raises `BadInput` that names what is wrong."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"`{path.name}` should be a recipe of at most {MAX_BYTES >> 20} MiB.")
        values = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"Recipe `{path}` can't be read: {error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"`{path.name}` should be YAML. Found: {str(error).splitlines()[0]}.") from None
    if not isinstance(values, dict) or not isinstance(values.get("cells"), list) or not values["cells"]:
        raise BadInput(f"`{path.name}` should hold `study`, `suite`, `options`, `cells`, as `study --out` writes it.")
    options, hashes = values.get("options") or {}, values.get("hashes")
    if not isinstance(options, dict):
        raise BadInput(f"`options` of a recipe should be a mapping. Found {type(options).__name__}.")
    return Recipe(
        study=str(values.get("study")),
        suite=str(values.get("suite")),
        options=parse(StudyOptions, options, "study"),
        cells=tuple(Cell.from_plain(cell) for cell in values["cells"]),
        hashes={str(role): str(value) for role, value in hashes.items()} if isinstance(hashes, dict) else {},
    )
