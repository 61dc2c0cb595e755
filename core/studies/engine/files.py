"""A stored study as files, one for each purpose."""

from __future__ import annotations

from pathlib import Path

from core.export.report import version
from core.files import write_text
from core.store import Store, StudyRecord
from core.studies.base import Study
from core.studies.engine import recipe, texts
from core.studies.engine.execution import result_of
from core.suite.find import SuiteFile

FORMATS = {"csv": ".csv", "latex": ".tex", "json": ".json", "yaml": ".yaml"}
"""Format -> end of the file's name; the pages add HTML."""


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
        return recipe.to_yaml(record, hashes)
    result = result_of(store, record, study, suite)
    if kind == "json":
        done = sum(key in runs and runs[key].status == "done" for key in keys)
        return texts.as_json(result, facts_of(study, record, done))
    body = {"csv": texts.as_csv, "latex": texts.as_latex}[kind](result)
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
