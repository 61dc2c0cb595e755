"""What several viewers ask for within the same moment is read from the store once."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field

from core.store import RunRecord, StepRecord, Store

KEPT_STEPS = 400
KEPT_RUNS = 16


@dataclass
class _Known:
    rows: list[StepRecord] = field(default_factory=list)
    """Consecutive steps up to the newest known one."""
    rows_of: str = ""
    """Status of the run when they were read."""


class Recent:
    """The newest steps of the runs that are being watched."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def steps(self, record: RunRecord, since: int, limit: int) -> list[StepRecord]:
        """Steps above `since`, at most `limit`; older ones than those kept come from the store itself."""
        with self._lock:
            known = self._known(record.id)
            if known.rows and record.steps_done < known.rows[-1].number:  # the run went back to its checkpoint
                known.rows = []
            # What was read before the run ended may lack its last step's outcome, and nobody asks again after the end.
            if not known.rows or known.rows[-1].number < record.steps_done or known.rows_of != record.status:
                last = known.rows[-1].number if known.rows else max(since, record.steps_done - KEPT_STEPS)
                known.rows = (known.rows + self._store.steps(record.id, since=last, limit=KEPT_STEPS))[-KEPT_STEPS:]
                known.rows_of = record.status
            if known.rows and since >= known.rows[0].number - 1:
                first = bisect_right(known.rows, since, key=lambda row: row.number)
                return known.rows[first : first + limit]
        return self._store.steps(record.id, since=since, limit=limit)

    def _known(self, run_id: str) -> _Known:
        known = self._runs.setdefault(run_id, _Known())
        self._runs.move_to_end(run_id)
        while len(self._runs) > KEPT_RUNS:
            self._runs.popitem(last=False)
        return known
