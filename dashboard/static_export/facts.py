"""What is told of a run in words and tables, as HTML; every text is escaped here."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from core.export.numbers import percent
from core.export.render import html
from core.export.tables import measures, results, settings
from core.export.titles import method_title
from core.store import RunRecord
from dashboard.wording import worry


def summary(record: RunRecord) -> str:
    """The run in one line."""
    parts = [method_title(record), record.suite, f"{len(record.tasks)} tasks"]
    if record.steps:
        parts.append(f"{record.steps_done} of {record.steps} steps")
    if record.average_accuracy is not None:
        parts.append(f"{percent(record.average_accuracy)} on average")
    return " · ".join([*parts, f"run {record.id}", record.created[:16].replace("T", " ")])


def verdict(record: RunRecord) -> str:
    """What to think of the result, in a sentence or two; empty where it was not judged."""
    found = (record.report or {}).get("verdict") or {}
    return str(found.get("sentence", ""))


def verdict_html(record: RunRecord) -> str:
    """The same in its colour."""
    text = verdict(record)
    kind = worry((record.report or {})["verdict"]) if text else ""
    return f'<p class="ms-note {kind}">{escape(text)}</p>' if text else ""


def results_html(record: RunRecord, titles: Mapping[str, str]) -> str:
    """The results as a card."""
    grid = results(record.report, record.tasks, titles)
    body = html(grid, "mc-table") if grid.lines else "<p class='mc-help'>This run has no final evaluation.</p>"
    more = measures(record.report, titles)
    body += html(more, "mc-table") if more.lines else ""
    return f'<section class="mc-card"><h2>Results</h2><div class="mc-scroll">{body}</div></section>'


def settings_html(record: RunRecord) -> str:
    """The settings as a card."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in settings(record).lines)
    return f'<section class="mc-card"><h2>Settings</h2><dl class="mc-list">{items}</dl></section>'
