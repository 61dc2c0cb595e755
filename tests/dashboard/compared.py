"""Made-up reports and their table, for the tests of the page Compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.export.results import Results, build
from core.store import RunRecord

TASKS = ("digits", "letters", "flags")


def record(
    run: str,
    accuracies: Sequence[float | None],
    *,
    method: str = "adamerging",
    name: str = "",
    tasks: Sequence[str] = TASKS,
    status: str = "done",
    **facts: Any,
) -> RunRecord:
    known = [value for value in accuracies if value is not None]
    told = [
        {
            "name": task,
            "accuracy": value,
            "ci95": None if value is None else [value - 0.02, value + 0.01],
            "expert_accuracy": 0.95,
            "base_accuracy": 0.4,
            "normalised": None if value is None else value / 0.95,
        }
        for task, value in zip(tasks, accuracies, strict=True)
    ]
    average = sum(known) / len(known) if known else None
    report = {"tasks": told, "average_accuracy": average, "average_normalised": None, "peak_memory_mb": 700.0}
    given = {"suite": "demo", "seconds": 12.5, "samples_seen": 640, "adapted_on": "test", "steps_done": 20}
    return RunRecord(
        run, status, method=method, name=name, tasks=tuple(tasks), report=report if status == "done" else None,
        created="2026-01-02T03:04:05", **(given | facts),
    )  # fmt: skip


def table(*records: RunRecord) -> Results:
    return build("demo", records, TASKS, {"digits": "Digits"})
