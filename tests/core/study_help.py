"""Made-up studies that the tests of engine and page share."""

from __future__ import annotations

from typing import Any

from core.settings import parse
from core.studies import Study
from core.studies.engine.cells import Cell
from core.studies.engine.done import Done
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile


def planned(study: Study, file: SuiteFile, **options: Any) -> list[Cell]:
    return study.plan(study.scope(file, parse(StudyOptions, options, "study")))


def report(cell: Cell, place: int) -> dict[str, Any]:
    """A made-up report whose every number differs from cell to cell."""
    tasks = [
        {
            "name": task,
            "accuracy": 0.3 + 0.011 * place + 0.07 * at,
            "ci95": [0.2, 0.9],
            "expert_accuracy": 0.9,
            "base_accuracy": 0.1,
            "normalised": (0.3 + 0.011 * place + 0.07 * at) / 0.9,
        }
        for at, task in enumerate((*cell.tasks, *cell.unseen))
    ]
    merged = tasks[: len(cell.tasks)]
    found: dict[str, Any] = {
        "method": cell.method,
        "tasks": tasks,
        "average_accuracy": sum(task["accuracy"] for task in merged) / len(merged),
        "average_normalised": sum(task["normalised"] for task in merged) / len(merged),
        "average_agreement": 0.5 + 0.01 * place,
        "average_kl": 0.2 + place,
        "seconds": 1.0 + place,
        "samples_seen": 10 * place,
        "peak_memory_mb": 100.0,
        "adapted_on": "test",
        "steps": 4,
        "measured": {},
    }
    for one in cell.measures:
        steps = one.get("steps", [])
        found["measured"][one["name"]] = {
            "entropy_loss": {
                "steps": steps,
                "tasks": {t: [0.5 + 0.01 * s for s in range(len(steps))] for t in cell.tasks},
            },
            "accuracy_at": {
                "steps": steps,
                "seconds": [0.5 * s for s in range(len(steps))],
                "accuracy": [0.4 + 0.02 * s + 0.001 * place for s in range(len(steps))],
            },
            "memory": {"grown_mb": 40.0 + place, "task_vectors_mb": 3.0 * len(cell.tasks), "mapped": False},
            "cosine": {"tasks": list(cell.tasks), "cosine": [[1.0, 0.01 * place], [0.01 * place, 1.0]]},
            "calibration": {
                "tasks": {
                    t: {
                        "ece": 0.1 + 0.001 * place,
                        "confidence": 0.7,
                        "accuracy": 0.6,
                        "bins": [[5, 0.3, 0.2], [9, 0.9, 0.8]],
                    }
                    for t in (*cell.tasks, *cell.unseen)
                }
            },
            "trust": foreseen(cell, place),
        }[one["name"]]
    return found


def foreseen(cell: Cell, place: int) -> dict[str, Any]:
    """A made-up measure `trust`: of every other case the start is better, and KL rises there."""
    odd = place % 2

    def looks(name: str, *moments: float) -> list[dict[str, Any]]:
        value = {"agreement": 0.8, "entropy": 0.5}
        return [{"task": t, name: at, "kl": 0.2 + odd * 0.01 * at, **value} for at in moments for t in cell.tasks]

    return {
        "start": dict.fromkeys(cell.tasks, 0.2 if not odd else 0.99), "kept": None, "kept_step": 0,
        "expert_entropy": dict.fromkeys(cell.tasks, 0.4), "looks": looks("step", 0, 7, 13, 23),
        "gradients": None, "ahead": {"ahead 8 1": looks("share", 0, 1)}, "seconds": {"ahead 8 1": 2.0},
    }  # fmt: skip


def made_up(study: Study, file: SuiteFile, **options: Any) -> list[Done]:
    return [Done(cell, report(cell, place), run="0" * 12) for place, cell in enumerate(planned(study, file, **options))]
