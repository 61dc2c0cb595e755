"""A run's results and settings as rows of texts, and as Markdown; every text is escaped here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from core.export.report import averaged, version
from core.export.titles import method_title
from core.statistics import mean
from core.store import RunRecord

Rows = list[list[str]]
HEADS = ("Task", "Accuracy", "95 % interval", "Base", "Expert", "Share of the expert")


def results(record: RunRecord, titles: Mapping[str, str]) -> Rows:
    """One row a task, then the averages; empty for a run without a report."""
    report = record.report or {}
    rows = [
        [
            titles.get(task["name"]) or str(task["name"]).replace("_", " "),
            percent(task.get("accuracy")),
            interval(task.get("ci95")),
            percent(task.get("base_accuracy")),
            percent(task.get("expert_accuracy")),
            percent(task.get("normalised")),
        ]
        for task in report.get("tasks", [])
    ]
    if rows:
        base, expert = (
            mean([task.get(key) for task in averaged(report["tasks"], record.tasks)])
            for key in ("base_accuracy", "expert_accuracy")
        )
        average = [percent(report.get("average_accuracy")), "", percent(base), percent(expert)]
        rows.append(["Average", *average, percent(report.get("average_normalised"))])
    return rows


def settings(record: RunRecord) -> Rows:
    """Everything that the result depends on, name and value."""
    rows = [["method", method_title(record)], *([name, _plain(value)] for name, value in record.settings.items())]
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
    return [*rows, ["Mergescope", version()]]


def markdown_table(rows: Rows, heads: Sequence[str]) -> str:
    """A Markdown table; the first column to the left."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *([markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    flat = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", flat)


def percent(value: float | None) -> str:
    """A fraction in per cent; a dash where it is not known."""
    return "–" if value is None else f"{100 * value:.1f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """Both ends of an interval in per cent."""
    return "" if not bounds else f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f} %"


def _plain(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)
