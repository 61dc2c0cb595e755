"""Changed λ: what a person asks for, checked, and applied to the exact values. No Gradio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import BadInput
from core.problem.evaluate import Evaluation, evaluate
from core.problem.problem import Problem
from core.runs.whatif import require_mixing, weights
from core.store import Edit, RunRecord, Store
from dashboard.charts.columns import MapColumn, arrange

SAMPLE = 128
"""Images per task of a quick measurement."""
MOST_EDITS = 100
LARGEST = 10.0

Floats = npt.NDArray[np.float32]


def parse(raw: Any, tasks: Sequence[str], columns: Sequence[MapColumn]) -> tuple[Edit, ...]:
    """The edits that a browser sent, every part checked; raises `BadInput`."""
    if not isinstance(raw, list) or not 0 < len(raw) <= MOST_EDITS:
        raise BadInput(f"`edits` should be a list of 1 to {MOST_EDITS} changes. Make a change first.")
    places = {""} | {
        f"{kind}:{name}"
        for column in columns
        for kind, name in (("block", column.block), ("kind", column.kind), ("column", column.name))
    }
    return tuple(_edit(one, tasks, places) for one in raw)


def _edit(raw: Any, tasks: Sequence[str], places: set[str]) -> Edit:
    given = raw if isinstance(raw, dict) else {}
    value: Any = given.get("value")
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or abs(value) > LARGEST:
        raise BadInput(
            f"`value` of a change should be a number from −{LARGEST:g} to {LARGEST:g}. Found `{value!r:.40}`."
        )
    for name, known in (("task", ("", *tasks)), ("where", places), ("op", ("set", "scale", "add"))):
        if given.get(name) not in known:
            raise BadInput(f"`{name}` of a change should be one of this run's. Found `{given.get(name)!r:.60}`.")
    return Edit(given["task"], given["where"], given["op"], float(value))


def apply(values: Floats, edits: Sequence[Edit], tasks: Sequence[str], columns: Sequence[MapColumn]) -> Floats:
    """λ `[groups, tasks]` after the edits, one after the other; `values` stays as it is."""
    edited = values.copy()
    for edit in edits:
        rows = [column.row for column in columns if _covers(edit.where, column)]
        chosen = [place for place, task in enumerate(tasks) if edit.task in ("", task)]
        cells = np.ix_(rows, chosen)
        change = {
            "set": np.float32(edit.value),
            "scale": edited[cells] * np.float32(edit.value),
            "add": edited[cells] + np.float32(edit.value),
        }
        edited[cells] = change[edit.op]
    return edited


def _covers(where: str, column: MapColumn) -> bool:
    kind, _, name = where.partition(":")
    return not where or name == {"block": column.block, "kind": column.kind, "column": column.name}[kind]


@dataclass(frozen=True)
class Question:
    """A run's λ at one step, and what should be changed."""

    record: RunRecord
    step: int
    values: Floats
    edits: tuple[Edit, ...] = ()

    @staticmethod
    def of(store: Store, record: RunRecord, step: int, edits: Any) -> Question:
        """From what a browser sent; raises `BadInput`."""
        require_mixing(record)
        found = store.steps(record.id, since=step - 1, limit=1)
        if not found or found[0].number != step or found[0].coefficients is None:
            raise BadInput(f"Step {step} of this run should have coefficients. Found none. Choose another step.")
        return Question(record, step, found[0].coefficients, parse(edits, record.tasks, arrange(record.groups)))

    @property
    def edited(self) -> Floats:
        """λ after the edits."""
        return apply(self.values, self.edits, self.record.tasks, arrange(self.record.groups))


def measure(problem: Problem, record: RunRecord, values: Floats, limit: int | None = SAMPLE) -> list[Evaluation]:
    """Accuracy and entropy of every task of the run, on `limit` test images each (None: all)."""
    merged = weights(problem, record, values)
    return [evaluate(problem, merged, task, limit=limit) for task in record.tasks]
