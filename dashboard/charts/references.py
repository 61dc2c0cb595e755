"""Marks that a run does not carry itself: from other runs of the suite, or measured once in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import MergescopeError
from core.evaluate import references
from core.store import ACTIVE, EvaluationRecord, RunRecord, Store
from dashboard.charts.marks import ARITHMETIC, Known, from_report, own

if TYPE_CHECKING:
    from dashboard.library import Library

SAMPLE = 128
"""Images per task on which base and experts are measured while no finished run tells; as the runs' own samples."""
KEPT_SECONDS = 5.0
_LOOKED_AT = 100


class MarksOfSuite:
    """`Marks` of a store; what it tells are properties of the suite, not of anybody's run."""

    def __init__(self, store: Store, library: Library) -> None:
        self._store, self._library = store, library
        self._others: dict[tuple[str, tuple[str, ...]], tuple[float, Known]] = {}
        self._lock = threading.Lock()

    def of(self, record: RunRecord, measured: Sequence[EvaluationRecord]) -> Known:
        """What the run carries, else what finished runs of the suite say, else what the background has measured."""
        mine, others = own(record, measured), self._remembered(record)
        known = others.over(mine) if record.report else mine.over(others)
        if record.status in ACTIVE and not (known.base and known.expert and known.expert_entropy):
            known = known.over(self._measured(record))
        return known

    def _remembered(self, record: RunRecord) -> Known:
        key = (record.suite, record.tasks)
        with self._lock:
            stamp, known = self._others.get(key, (-KEPT_SECONDS, Known()))
            if time.monotonic() - stamp >= KEPT_SECONDS:
                known = self._look(record)
                self._others[key] = time.monotonic(), known
        return known

    def _look(self, record: RunRecord) -> Known:
        known = Known()
        for other in self._store.runs(status="done", suite=record.suite, limit=_LOOKED_AT):
            if set(other.tasks) != set(record.tasks) or not other.report:
                continue
            told = own(other, ())
            arithmetic = from_report(other.report) if other.method == ARITHMETIC else {}
            known = known.over(Known(told.base, told.expert, arithmetic))
            if known.base and known.expert and known.task_arithmetic:
                break
        return known

    def _measured(self, record: RunRecord) -> Known:
        tasks = record.tasks
        answer = self._library.later(("references", record.suite, tasks), lambda: self._measure(record.suite, tasks))
        return answer.value if answer.ready else Known()

    def _measure(self, suite: str, tasks: tuple[str, ...]) -> Known:
        try:
            problem = self._library.problem(suite, tasks)
        except MergescopeError:
            return Known()
        with self._library.computing():
            found = references(problem, limit=SAMPLE)
        base = {task: one.base.accuracy for task, one in found.items() if one.base.accuracy is not None}
        experts = {task: one.expert for task, one in found.items() if one.expert is not None}
        return Known(
            base,
            {task: one.accuracy for task, one in experts.items() if one.accuracy is not None},
            {},
            {task: one.entropy for task, one in experts.items()},
        )
