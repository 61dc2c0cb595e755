"""A run as one HTML file, to be scrubbed or for its figures: all is inside, nothing is loaded from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from core.errors import BadInput
from core.store import ACTIVE, RunRecord, Store
from dashboard.charts.feed import Feed, History, describe
from dashboard.static_export import facts
from dashboard.static_export.document import document

BEFORE = """document.body.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);"""
MOST_ANSWERS = 100_000
Whole = dict[str, Any]


def page(record: RunRecord, whole: Whole, titles: Mapping[str, str]) -> str:
    """The charts of the run as the dashboard has them, its results and its settings."""
    title = str(whole["describe"]["name"])
    results = facts.results_html(record, titles) + facts.settings_html(record)
    body = (
        f'<header class="ex-head"><div><h1>{escape(title)}</h1><p class="mc-help">'
        f'{escape(facts.summary(record))}</p></div><button type="button" id="theme" class="mc-quiet" '
        f'aria-label="Switch light and dark">◐</button></header>{facts.verdict_html(record)}'
        '<nav class="mc-choice" aria-label="Views">'
        '<button type="button" data-view="live" aria-pressed="true">Run</button>'
        '<button type="button" data-view="layers" aria-pressed="false">Layers</button>'
        '<button type="button" data-view="results" aria-pressed="false">Results</button></nav>'
        '<main><section id="live"><div class="mc"></div></section><section id="layers" hidden><div class="mc"></div>'
        f'</section><section id="results" hidden>{results}</section></main>'
    )
    return document(title, f"{body}<script>{BEFORE}</script>", whole, "replay.js")


def figures(record: RunRecord, whole: Whole, titles: Mapping[str, str]) -> str:
    """Every figure that the run has data for, each saved as SVG or PNG by the browser's own Plotly."""
    title = f"{whole['describe']['name']} · figures"
    body = f'<h1 class="ms-title">{escape(title)}</h1>{facts.verdict_html(record)}<main class="mc-grid"></main>'
    return document(title, body, whole, "figures.js")


def collect(store: Store, record: RunRecord, titles: Mapping[str, str], tick: Callable[[], None]) -> Whole:
    """All that the charts will ask for: the description, and the answers of one poll after another.

    `tick` is called on the way. Raises `BadInput` for a run without a step.
    """
    feed = Feed(store)
    about = describe(record, titles)
    history: list[History] = []
    cursor, stride, seen, known = -1, 1, 0, False
    while len(history) < MOST_ANSWERS:
        answer = feed.history(record, cursor, stride=stride, seen=seen, known=known)
        history.append(answer)
        tick()
        cursor, stride, seen = answer["cursor"], answer["stride"], answer["seen"]
        known = known or "columns" in answer
        if not answer["more"]:
            break
    if not any(answer["numbers"] for answer in history):
        raise BadInput(f"Run {record.id} has no step yet; there is nothing to replay. Wait for its first step.")
    if record.status in ACTIVE:
        # The file shows the run as it was; it will never hear more of it.
        about["status"] = "interrupted"
        for answer in history:
            answer["status"] = "interrupted"
    return {"describe": about, "history": history}
