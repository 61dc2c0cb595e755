"""What the store hands out: immutable records, free of database types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_type_hints

import orjson
from sqlalchemy import RowMapping

from core.statistics import Evaluation, Half
from core.store.execution import Execution, WhatIf

STATUSES = ("queued", "running", "paused", "done", "cancelled", "failed", "interrupted")
ACTIVE = ("queued", "running", "paused")

if TYPE_CHECKING:  # A list of runs needs no arrays, and the library takes a tenth of a second.
    import numpy as np
    import numpy.typing as npt

    Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RunRecord:
    """One run; times are ISO 8601 in UTC, durations seconds of a monotonic clock."""

    id: str
    status: str
    suite: str = ""
    origin: str = ""
    """What finds the suite again: its name, or the path of its file."""
    method: str = ""
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    tasks: tuple[str, ...] = ()
    created: str = ""
    started: str | None = None
    finished: str | None = None
    seconds: float = 0.0
    """Time of the method's steps, summed over interruptions; evaluation is not in it."""
    steps: int = 0
    steps_done: int = 0
    kept: int | None = None
    """The step whose model a finished run kept; None where it did not choose."""
    execution: Execution = field(default_factory=Execution)
    hashes: dict[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    adapted_on: str = ""
    samples_seen: int = 0
    peak_memory_mb: float | None = None
    error: str | None = None
    report: dict[str, Any] | None = None
    """`report.json` once done; in lists without what is long, see `summary`."""
    average_accuracy: float | None = None
    cell: str = ""
    """Content key of the study cell that this run is; empty for other runs."""

    @property
    def what_if(self) -> WhatIf | None:
        """Where its λ came from, if a person changed it by hand; `method` is then the method that had learned it."""
        return self.execution.what_if

    @property
    def model_step(self) -> int:
        """The step whose model the run holds: the kept one, or else the newest."""
        return self.steps_done if self.kept is None else self.kept

    @property
    def world(self) -> tuple[Any, ...]:
        """What its accuracies depend on beside the weights: the same tasks, checkpoints and images."""
        images = {task: self.execution.content.get(task) for task in self.tasks}
        return self.suite, frozenset(self.hashes.items()), frozenset(images.items()), encode(self.execution.images)

    @property
    def device(self) -> str:
        """Where it ran, or was asked to."""
        return self.execution.device

    @property
    def precision(self) -> str:
        """Number format of the forward and backward pass."""
        return self.execution.precision


@dataclass(frozen=True)
class StudyRecord:
    """One study: what was asked, and its cells as plain data (`core.studies.engine.cells`)."""

    id: str
    name: str
    suite: str
    origin: str
    created: str
    status: str
    finished: str | None = None
    error: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    cells: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class StepRecord:
    """One step of a run."""

    number: int
    losses: dict[str, float]
    entropies: dict[str, float]
    seconds: float
    samples: int
    coefficients: Float32 | None
    """`[groups, tasks]`, in the order of the run's `groups` and `tasks`; read-only."""


@dataclass(frozen=True)
class EvaluationRecord(Evaluation):
    """The same as stored: of the model after `step`, on all test images if `full`, on a sample of them, or on a
    `half` of the watched images."""

    step: int
    full: bool
    half: Half | None = None


def run_record(row: Mapping[str, Any] | RowMapping, report: str | None = None) -> RunRecord:
    """A row of `runs` as a record; a row that can't be understood becomes a quarantined run."""
    try:
        _require_plain(row)
        return RunRecord(
            **{name: row[name] for name in _PLAIN},
            settings=_object(row["settings"]),
            execution=_execution(row["execution"]),
            hashes=_object(row["hashes"]),
            tasks=_names(row["tasks"]),
            groups=_names(row["groups"]),
            report=_object(report or row["summary"]) if report or row["summary"] else None,
        )
    except (ValueError, TypeError, LookupError) as error:
        return quarantined(str(row["id"]), f"{error}")


def quarantined(run_id: str, reason: str) -> RunRecord:
    """The record of a run that can't be read, so that the others still list."""
    return RunRecord(
        run_id,
        "failed",
        name="quarantined",
        error=f"Quarantined: the records of this run are damaged ({reason}).",
    )


_LONG = ("entropy", "coefficients", "by_class", "calibration")
_JSON = ("settings", "execution", "hashes", "tasks", "groups", "report")
_PLAIN = {name: kind for name, kind in get_type_hints(RunRecord).items() if name not in _JSON}


def _require_plain(row: Mapping[str, Any] | RowMapping) -> None:
    # SQLite holds any type in any column, so damaged bytes can come back as something else.
    if row["status"] not in STATUSES:
        raise ValueError(f"status {row['status']!r:.20}")
    for name, kind in _PLAIN.items():
        if not isinstance(row[name], kind):
            raise TypeError(f"{name} is {row[name]!r:.20}")


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without its two histories and what it says of classes and bins, as lists have it."""
    return {name: value for name, value in report.items() if name not in _LONG}


def encode(value: Any) -> str:
    """`value` as the JSON text that the database holds; equal values give equal texts."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Any:
    """The value of `encode`; raises `ValueError`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # NaN and infinity, which `json` writes and reads.
        return json.loads(text)


# Most runs share these with others: reading them anew would be most of what a long list takes.
@lru_cache(64)
def _names(text: str) -> tuple[str, ...]:
    return tuple(decode(text))


@lru_cache(64)
def _execution(text: str) -> Execution:
    return Execution.of_plain(_object(text))


def _object(text: str) -> dict[str, Any]:
    value = decode(text)
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value
