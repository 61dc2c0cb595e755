"""What the charts are told of a run: a description once, then everything that is new since a cursor.

λ travels as float16 differences to the run's first λ: the differences are small, so they keep eleven significant bits
of the change (λ itself in float16 would move in steps of 0.0002), at two bytes a coefficient. Rows are tasks, columns
stand in the order of depth, so that the browser can draw an answer without sorting it. No Gradio in here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NotRequired

import numpy as np
import numpy.typing as npt
from typing_extensions import TypedDict

from core.errors import BadInput
from core.export.titles import run_title
from core.problem.memory import peak_memory_mb
from core.store import ACTIVE, RunRecord, StepRecord, Store
from dashboard.charts.caution import Notice, notices
from dashboard.charts.columns import MapColumn, arrange
from dashboard.charts.marks import Agreement, Mark, Marks, Summary, agreements, between, summaries

MOST_STEPS = 200
"""Steps in one answer at most; a browser that has to catch up asks again."""
DECIMATE_ABOVE = 1000
"""Runs with more steps are sent every 2nd, 4th, 8th … step, plus the newest."""
TAIL = 20
"""Newest steps of a run that is watched: they are read once for all viewers, wherever each of them stands."""
_REMEMBERED = 64

Floats = npt.NDArray[np.float32]


class Task(TypedDict):
    """A task and its name for people."""

    name: str
    title: str


class Description(TypedDict):
    """What does not change while a run continues."""

    run: str
    name: str
    status: str
    adapted_on: str
    tasks: list[Task]


class History(TypedDict):
    """Steps that are new, one value a step in each list, and all else that changes. Texts hold base64: entropies and
    losses are float32 `[step, task]` (no losses: those are the entropies), coefficients float16 `[frame, task, column]`
    differences to `origin`, float32 `[task, column]`, which comes with `columns` where the browser lacks them."""

    run: str
    status: str
    steps: int
    steps_done: int
    kept: int | None
    elapsed: float
    memory: float | None
    failure: str | None
    device: str
    precision: str
    stride: int
    cursor: int
    more: bool
    seen: int
    numbers: list[int]
    seconds: list[float]
    entropies: str
    losses: str
    frames: list[int]
    coefficients: str
    columns: NotRequired[list[tuple[str, str, str, str]]]
    """Name, label, block and kind."""
    origin: NotRequired[str]
    marks: dict[str, list[Mark]]
    evaluations: list[Summary]
    agreements: list[Agreement]
    between: list[list[float] | None]
    notices: list[Notice]


class Feed:
    """Reads one store for the charts; `marks` knows where base, experts and Task Arithmetic stand."""

    def __init__(self, store: Store, marks: Marks | None = None) -> None:
        self._store = store
        self._marks = marks or Marks(store)
        # λ of a run's first step never changes; its newest steps do with their number, and with its status: what was
        # read before the run ended may lack the last step's outcome.
        self._origin = lru_cache(_REMEMBERED)(self._first)
        self._newest = lru_cache(_REMEMBERED)(lambda run_id, done, status: store.steps(run_id, since=done - TAIL))

    def history(
        self, record: RunRecord, since: int = -1, *, stride: int = 1, seen: int = 0, known: bool = False
    ) -> History:
        """Steps with a number above `since`, at most `MOST_STEPS`, and everything else that changes.

        `stride` is the browser's present decimation, `seen` the number of evaluations it has (accuracies and
        agreements), `known` whether it has the columns and the first λ. The answer's `cursor`, `stride` and `seen` are
        the values for the next call; `more` says that there are further steps already.
        """
        if since < 0:
            stride = max(stride, suggested_stride(record.steps_done))
        rows = self._rows(record, since, stride)
        framed = [row for row in rows if row.coefficients is not None]
        measured, watched = self._store.evaluations(record.id), self._store.watched(record.id)
        count = len(measured) + len(watched)
        marks = self._marks.of(record, measured)
        entropies, losses = _scalars(rows, record.tasks)
        answer: History = {
            "run": record.id,
            "status": record.status,
            "steps": record.steps,
            "steps_done": record.steps_done,
            "kept": _kept(record),
            "elapsed": record.seconds,
            "memory": self._memory(record),
            "failure": record.error,
            "device": record.device,
            "precision": record.execution.formats,
            "stride": stride,
            "cursor": rows[-1].number if rows else since,
            "more": bool(rows) and rows[-1].number < record.steps_done,
            "seen": count,
            "numbers": [row.number for row in rows],
            "seconds": [round(row.seconds, 4) for row in rows],
            "entropies": entropies,
            "losses": losses,
            "frames": [row.number for row in framed],
            "coefficients": "",
            "marks": marks.marks(record.tasks),
            "evaluations": summaries(measured, record.tasks) if count != seen else [],
            "agreements": agreements(watched, record.tasks) if count != seen else [],
            "between": between(record),
            "notices": notices(record, measured, marks.sample, watched),
        }
        if framed:
            columns = arrange(record.groups)
            origin = self._origin(record.id)
            answer["coefficients"] = encode([row.coefficients for row in framed], origin, columns)
            if not known:
                answer["columns"] = [(column.name, column.label, column.block, column.kind) for column in columns]
                answer["origin"] = _base64(origin[[column.row for column in columns]].T.astype("<f4"))
        return answer

    def _memory(self, record: RunRecord) -> float | None:
        """Peak memory in MiB: the run's own once it is over, this process's while the run goes on in it."""
        here = record.status in ACTIVE and not self._store.read_only
        return record.peak_memory_mb or (round(peak_memory_mb()) if here else None)

    def _rows(self, record: RunRecord, since: int, stride: int) -> list[StepRecord]:
        if stride == 1 and since >= record.steps_done - TAIL:
            return [row for row in self._newest(record.id, record.steps_done, record.status) if row.number > since]
        if stride == 1:
            return self._store.steps(record.id, since=since, limit=MOST_STEPS)
        first = (max(since, -1) // stride + 1) * stride
        kept = [number for number in [_kept(record)] if number is not None and number > since]
        wanted = sorted({*range(first, record.steps_done + 1, stride), *kept})
        if len(wanted) < MOST_STEPS and record.steps_done > max([since, *wanted]):
            wanted.append(record.steps_done)
        found = []
        for number in wanted[:MOST_STEPS]:
            found += self._store.steps(record.id, since=number - 1, limit=1)
        return found

    def _first(self, run_id: str) -> Floats:
        """λ of the run's first step that has one."""
        since = -1
        while rows := self._store.steps(run_id, since=since, limit=MOST_STEPS):
            for row in rows:
                if row.coefficients is not None:
                    return row.coefficients
            since = rows[-1].number
        raise BadInput(f"Run {run_id} should have coefficients. Found none. Choose a method that learns λ.")


def describe(record: RunRecord, titles: Mapping[str, str]) -> Description:
    """`titles` are the tasks' names for people."""
    return {
        "run": record.id,
        "name": run_title(record),
        "status": record.status,
        "adapted_on": record.adapted_on,
        "tasks": [{"name": task, "title": titles.get(task) or task.replace("_", " ")} for task in record.tasks],
    }


def _kept(record: RunRecord) -> int | None:
    """The step whose model a finished run kept; None while that is open, or where it did not choose."""
    return record.kept if record.status == "done" else None


def suggested_stride(steps: int) -> int:
    """The smallest power of two that leaves at most `DECIMATE_ABOVE` steps."""
    return 1 if steps <= DECIMATE_ABOVE else 2 ** math.ceil(math.log2(steps / DECIMATE_ABOVE))


def encode(coefficients: Sequence[Floats | None], origin: Floats, columns: Sequence[MapColumn]) -> str:
    """λ `[groups, tasks]` of several steps as base64 of little-endian float16 differences `[step, task, column]`."""
    order = [column.row for column in columns]
    stacked = np.stack([values for values in coefficients if values is not None])
    return _base64((stacked - origin)[:, order].transpose(0, 2, 1).astype("<f2"))


def _scalars(rows: Sequence[StepRecord], tasks: Sequence[str]) -> tuple[str, str]:
    """Entropies and losses; NaN where a step measured none."""
    entropies = np.array([[row.entropies.get(task, np.nan) for task in tasks] for row in rows], "<f4")
    losses = np.array([[row.losses.get(task, np.nan) for task in tasks] for row in rows], "<f4")
    same = np.array_equal(entropies, losses, equal_nan=True)
    return _base64(entropies), "" if same else _base64(losses)


def _base64(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
