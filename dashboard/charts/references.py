"""Marks that a run does not carry itself: from other runs of the suite, or measured once in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import MergescopeError
from core.problem.evaluate import references
from core.progress import Progress
from core.store import ACTIVE, EvaluationRecord, RunRecord, Store
from dashboard.charts.marks import Known, Standings, is_arithmetic, own, reported

if TYPE_CHECKING:
    from dashboard.library import Library

SAMPLE = 128
"""Images per task on which base and experts are measured while no finished run tells; as the runs' own samples."""
KEPT_SECONDS = 5.0
_LOOKED_AT = 100


class Marks:
    """Those of a store's runs; what it tells are properties of the suite, not of anybody's run."""

    def __init__(self, store: Store, library: Library | None = None) -> None:
        """Without a `library` nothing is measured."""
        self._store, self._library = store, library
        self._others: dict[tuple[object, ...], tuple[float, Known]] = {}
        self._lock = threading.Lock()

    def of(self, record: RunRecord, measured: Sequence[EvaluationRecord]) -> Standings:
        """What the run carries, what finished runs of the same images and checkpoints say of all images, and what the
        background has measured on the sample; quick, since every poll asks."""
        known = own(record, measured).over(Standings(full=self._remembered(record)))
        return known.over(Standings(sample=self._measured(record))) if record.status in ACTIVE else known

    def _remembered(self, record: RunRecord) -> Known:
        key = record.world
        with self._lock:
            stamp, known = self._others.get(key, (-KEPT_SECONDS, Known()))
            if time.monotonic() - stamp >= KEPT_SECONDS:
                known = self._look(record)
                self._others[key] = time.monotonic(), known
        return known

    def _look(self, record: RunRecord) -> Known:
        known = Known()
        for other in self._store.runs(status="done", suite=record.suite, limit=_LOOKED_AT):
            if other.world != record.world or not other.report:
                continue
            told = own(other, ()).full
            arithmetic = reported(other.report) if is_arithmetic(other) else {}
            known = known.over(Known(told.base, told.expert, arithmetic))
            if known.base and known.expert and known.task_arithmetic:
                break
        return known

    def _measured(self, record: RunRecord) -> Known:
        library = self._library
        if library is None or record.execution.images:  # Altered ones, which only the run itself loads.
            return Known()
        key = ("references", record.world)
        return library.later(key, lambda told: _measure(library, record, told)).value or Known()


def _measure(library: Library, record: RunRecord, told: Progress) -> Known:
    try:
        problem = library.problem(record.suite, record.tasks, told)
    except MergescopeError:
        return Known()
    if any(problem.hashes.get(role) != sha256 for role, sha256 in record.hashes.items()):
        return Known()
    found = references(problem, limit=SAMPLE)
    base = {task: one.base.accuracy for task, one in found.items() if one.base.accuracy is not None}
    experts = {task: one.expert for task, one in found.items() if one.expert is not None}
    return Known(base, {task: one.accuracy for task, one in experts.items() if one.accuracy is not None})
