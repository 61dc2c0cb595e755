"""A whole run as arrays, for figures, exports and tests; the live charts are fed by `feed` instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.store import RunRecord, Store
from core.titles import run_title
from dashboard.charts.columns import Column, arrange
from dashboard.charts.marks import Marks, NoMarks, summaries

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class History:
    """Everything the charts draw of one run. S steps, F steps with λ, G columns in the order of depth, K tasks."""

    run: str
    name: str
    tasks: tuple[str, ...]
    """Names for people."""
    columns: tuple[Column, ...]
    steps: tuple[int, ...]
    entropies: Floats
    """`[S, K]`, nats; NaN where a step measured none."""
    frames: tuple[int, ...]
    coefficients: Floats
    """`[F, K, G]`."""
    evaluations: list[dict[str, Any]]
    """As `marks.summaries`."""
    marks: dict[str, list[dict[str, Any]]]
    """As `marks.Standings.marks`."""
    total: int
    """The number of the last step, or that it is to have."""

    @staticmethod
    def of(
        store: Store,
        record: RunRecord,
        *,
        titles: Mapping[str, str] | None = None,
        name: str = "",
        marks: Marks | None = None,
    ) -> History:
        """Read a run from the store."""
        rows = store.steps(record.id)
        framed = [row for row in rows if row.coefficients is not None]
        columns = arrange(record.groups) if framed else ()
        order = [column.row for column in columns]
        shape = (0, len(record.tasks), len(columns))
        measured = store.evaluations(record.id)
        known = (marks or NoMarks()).of(record, measured)
        entropies = [[row.entropies.get(task, np.nan) for task in record.tasks] for row in rows]
        return History(
            run=record.id,
            name=name or run_title(record),
            tasks=tuple((titles or {}).get(task) or task.replace("_", " ") for task in record.tasks),
            columns=columns,
            steps=tuple(row.number for row in rows),
            entropies=np.array(entropies, np.float32).reshape(len(rows), len(record.tasks)),
            frames=tuple(row.number for row in framed),
            coefficients=np.stack([row.coefficients[order].T for row in framed if row.coefficients is not None])
            if framed
            else np.empty(shape, np.float32),
            evaluations=summaries(measured, record.tasks),
            marks=known.marks(record.tasks),
            total=max(record.steps, record.steps_done),
        )

    def values(self, step: int | None = None) -> Floats:
        """λ `[K, G]` at the newest step not after `step` (None: the last)."""
        place = len(self.frames) - 1 if step is None else int(np.searchsorted(self.frames, step, side="right")) - 1
        found: Floats = self.coefficients[max(place, 0)]
        return found
