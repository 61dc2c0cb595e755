"""Reports: as a file, as JSON on standard output, and as a table for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.output import interval, number, percent, print_table
from core.files import write_atomically

if TYPE_CHECKING:
    from core.methods.base import Outcome
    from core.problem import Problem


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write `report.json`; an earlier file stays intact until the new one is complete."""
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _write(temporary, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def write_model(problem: Problem, outcome: Outcome, path: Path, report: dict[str, Any]) -> None:
    """Write the merged model with its suite, method, settings and the hashes of what it was made of."""
    from core.export import export_model

    metadata = {key: report[key] for key in ("mergescope", "suite", "method", "settings", "seed")}
    export_model(problem, outcome, path, metadata | {"hashes": dict(problem.hashes)})


def print_report(report: dict[str, Any]) -> None:
    """The report of one run as a table with one row per task, and a line of averages, time and memory."""
    rows = [
        [
            task["name"],
            percent(task["accuracy"]),
            interval(task["ci95"]),
            percent(task["base_accuracy"]),
            percent(task["expert_accuracy"]),
            percent(task["normalised"]),
        ]
        for task in report["tasks"]
    ]
    rows.append(["average", percent(report["average_accuracy"]), "", *_means(report)])
    columns = ["task", ">accuracy", ">95 % interval", ">base", ">expert", ">normalised"]
    print_table(f"{report['method']} on {report['suite']}", columns, rows)
    print("  ".join(summary(report)))


def summary(report: dict[str, Any]) -> list[str]:
    """What a run cost, in a few words each."""
    return [
        f"{report['steps']} steps",
        f"{number(report['seconds'], 1)} s",
        f"{number(report['peak_memory_mb'], 0)} MB peak memory",
        f"{report['device']}, {report['precision']}",
        f"adapted on {report['adapted_on'] or 'nothing'}",
    ]


def _means(report: dict[str, Any]) -> list[str]:
    def mean(key: str) -> float | None:
        known = [task[key] for task in report["tasks"] if task[key] is not None]
        return sum(known) / len(known) if known else None

    return [
        percent(mean("base_accuracy")),
        percent(mean("expert_accuracy")),
        percent(report["average_normalised"]),
    ]
