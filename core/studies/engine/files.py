"""A stored study as files, one for each purpose; the YAML one, a recipe of all its cells, repeats it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from core.errors import BadInput
from core.export.report import version
from core.files import write_text
from core.settings import parse
from core.store import Store, StudyRecord
from core.studies import Study, get
from core.studies.engine.cells import Cell
from core.studies.engine.execution import result_of
from core.studies.engine.result import as_csv, as_json, as_latex
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile, find

FORMATS = {"csv": ".csv", "latex": ".tex", "json": ".json", "yaml": ".yaml"}
"""Format -> end of the file's name; the pages add HTML."""
MAX_BYTES = 16 * 2**20


def facts_of(study: Study, record: StudyRecord, result_done: int) -> dict[str, object]:
    """What has to be said with every output of a study."""
    return {
        "study": study.name,
        "question": study.question,
        "paper": study.paper,
        "suite": record.suite,
        "mergescope": version(),
        "quick": bool(record.options.get("quick")),
        "runs": len(record.cells),
        "runs_done": result_done,
        "options": dict(record.options),
    }


def text(kind: str, store: Store, study: Study, suite: SuiteFile, record: StudyRecord) -> str:
    """One of `FORMATS`."""
    keys = [str(cell.get("key", "")) for cell in record.cells]
    runs = store.studies.runs_of(keys)
    if kind == "yaml":
        hashes = {role: value for run in runs.values() for role, value in run.hashes.items()}
        return to_yaml(record, hashes)
    result = result_of(store, record, study, suite)
    if kind == "json":
        done = sum(key in runs and runs[key].status == "done" for key in keys)
        return as_json(result, facts_of(study, record, done))
    body = {"csv": as_csv, "latex": as_latex}[kind](result)
    if kind == "latex":
        return f"% {said(study, record)}\n{body}"
    return body


def said(study: Study, record: StudyRecord) -> str:
    """The study in one line, with what makes its numbers provisional."""
    quick = "; quick: fewer steps, seeds and values" if record.options.get("quick") else ""
    return f"{study.title} on {record.suite}, Mergescope {version()}{quick}"


def write_all(folder: Path, store: Store, study: Study, suite: SuiteFile, record: StudyRecord) -> list[Path]:
    """Write every format into `folder`; returns the files."""
    written = []
    for kind, suffix in FORMATS.items():
        path = folder / f"{study.name}-{record.suite}{suffix}"
        write_text(path, text(kind, store, study, suite, record))
        written.append(path)
    return written


@dataclass(frozen=True)
class Recipe:
    """A checked request for a study, as a person or a recipe file makes it."""

    study: Study
    suite: SuiteFile
    options: StudyOptions
    cells: Sequence[Cell]
    hashes: Mapping[str, str]
    """Role -> SHA-256 of the checkpoint that a recipe was made with."""


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
        study=get(str(values.get("study"))),
        suite=find(str(values.get("suite"))),
        options=parse(StudyOptions, options, "study"),
        cells=[Cell.from_plain(cell) for cell in values["cells"]],
        hashes={str(role): str(value) for role, value in hashes.items()} if isinstance(hashes, dict) else {},
    )
