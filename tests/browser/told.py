"""What a viewer of a run is told, and a run object in a page that was told it."""

from __future__ import annotations

from typing import Any

from core.store import Store
from dashboard.charts.feed import Feed, describe


def answers(store: Store, run_id: str) -> dict[str, Any]:
    """Everything a viewer is told."""
    feed, record = Feed(store), store.run(run_id)
    told = [feed.history(record)]
    while told[-1]["more"]:
        last = told[-1]
        told.append(feed.history(record, last["cursor"], stride=last["stride"], seen=last["seen"], known=True))
    return {"describe": describe(record, {}), "history": told}


def load(page: Any, whole: dict[str, Any]) -> None:
    """Give the answers to a run object, as the poller does."""
    page.evaluate(
        "(whole) => { const run = window.run = new mergescope.charts.Run(whole.describe.run);"
        " run.describe(whole.describe); for (const answer of whole.history) run.ingest(answer); }",
        whole,
    )
