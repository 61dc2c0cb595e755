"""A model card for the merged checkpoint of a run, in Markdown: what it is made of, how, and how well it does."""

from __future__ import annotations

import json
from typing import Any

from core import methods
from core.store import RunRecord
from dashboard.ui import percent

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|"})


def model_card(record: RunRecord) -> str:
    """The card; needs a finished run."""
    report = record.report or {}
    method = methods.get(record.method) if record.method in methods.names() else None
    title = method.title if method is not None else record.method
    lines = [
        f"# {_plain(record.name or f'{record.suite} merged with {title}')}",
        "",
        f"One image encoder made of {len(record.tasks)} fine-tuned experts of the suite `{record.suite}` with "
        f"{_plain(title)}, by Mergescope {report.get('mergescope', '')}.".replace(" .", "."),
        "",
        *([f"Method: {_plain(method.paper)}", ""] if method is not None else []),
        "| task | accuracy | 95 % interval | expert | base | normalised |",
        "|---|---|---|---|---|---|",
        *(_row(task) for task in report.get("tasks", [])),
        "",
        f"Average accuracy {percent(report.get('average_accuracy'))}, normalised "
        f"{percent(report.get('average_normalised'))}. λ learned on: {_plain(record.adapted_on or 'nothing')}. "
        "Where that is the test split, its images (never their labels) were seen before they were scored.",
        "",
        "## Settings",
        "```json",
        json.dumps(dict(record.settings), indent=2, sort_keys=True),
        "```",
        "",
        "## Origin",
        *(f"- {_plain(role)}: SHA-256 `{digest}`" for role, digest in record.hashes.items()),
        f"- run `{record.id}`, {record.created}, {_plain(str(record.execution.get('device', '')))} "
        f"{_plain(str(record.execution.get('precision', '')))}",
        "",
    ]
    return "\n".join(lines)


def _row(task: dict[str, Any]) -> str:
    low, high = task.get("ci95") or (None, None)
    interval = f"{percent(low)} to {percent(high)}" if low is not None else "–"
    cells = [percent(task.get("accuracy")), interval, percent(task.get("expert_accuracy")),
             percent(task.get("base_accuracy")), percent(task.get("normalised"))]  # fmt: skip
    return f"| {_plain(str(task.get('name', '')))} | {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return " ".join(text.split()).translate(_SPECIAL)
