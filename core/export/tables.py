"""A run's results and settings as tables that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.export.numbers import interval, percent
from core.export.render import Grid, Line
from core.export.report import averaged, version
from core.export.titles import method_title
from core.problem.findings import Severity, sentence
from core.statistics import mean
from core.store import RunRecord

HEADS = ("Task", "Accuracy", "95 % interval", "Base", "Expert", "Share of the expert", "Agrees with the expert")


def results(report: Mapping[str, Any] | None, merged: Sequence[str], titles: Mapping[str, str] | None = None) -> Grid:
    """One line per task, then the averages over `merged`; none without a report. `titles` are names for people."""
    report = report or {}
    keys = ("base_accuracy", "expert_accuracy")
    told = report.get("tasks", [])
    lines = [
        [
            task["name"] if titles is None else titles.get(task["name"]) or task["name"].replace("_", " "),
            percent(task.get("accuracy")),
            interval(task.get("ci95") or task.get("accuracy_between")),
            percent(task.get("base_accuracy")),
            _expert(task),
            *(percent(task.get(key)) for key in ("normalised", "agreement")),
        ]
        for task in told
    ]
    if lines:
        counted = averaged(told, merged)
        means = [percent(mean([task.get(key) for task in counted])) for key in keys]
        shares = [percent(report.get(key)) for key in ("average_normalised", "average_agreement")]
        average = [percent(report.get("average_accuracy")), "", *means, *shares]
        lines.append(["average" if titles is None else "Average", *average])
    return Grid(HEADS, [lines])


def _expert(task: Mapping[str, Any]) -> str:
    stated = task.get("expert_stated")
    if task.get("expert_accuracy") is None and stated:
        return f"{percent(stated['accuracy'])} (stated)"
    return percent(task.get("expert_accuracy"))


def doubts(report: Mapping[str, Any]) -> list[str]:
    """What makes a report's numbers doubtful, a line each: its findings without mere notes, and what the check before
    the start warned of."""
    found = [sentence(one) for one in report.get("findings", []) if one["severity"] != Severity.NOTE]
    return [*found, *(f"Before the start: {text}" for text in (report.get("check") or {}).get("warnings", []))]


def settings(record: RunRecord) -> Grid:
    """Everything that the result depends on, name and value."""
    rows: list[Line] = [["method", method_title(record)]]
    rows += [[name, _plain(value)] for name, value in record.settings.items()]
    rows += [
        ["suite", record.suite],
        ["tasks", ", ".join(record.tasks)],
        ["learned on", record.adapted_on or "nothing"],
    ]
    if (changed := record.what_if) is not None:
        rows += [["changed by hand", f"run {changed.of} at step {changed.step}: {changed.words}"]]
    rows += [["images seen", f"{record.samples_seen:,}".replace(",", " ")], ["seconds", f"{record.seconds:.1f}"]]
    rows += [[name, _plain(value)] for name, value in record.execution.plain().items()
             if name in ("device", "precision", "threads", "torch")]  # fmt: skip
    rows += [[f"SHA-256 of {role}", digest] for role, digest in record.hashes.items()]
    return Grid(["Setting", "Value"], [[*rows, ["Mergescope", version()]]])


def _plain(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)
