"""The figures of a run in one HTML file: those of the page, each saved as SVG or PNG by the browser's own Plotly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

from core.files import write_text
from core.store import Store
from dashboard.static_export.document import document
from dashboard.static_export.facts import verdict_html
from dashboard.static_export.replay import collect


def write_figures(
    store: Store,
    run_id: str,
    path: Path,
    titles: Mapping[str, str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Write every figure that the run has data for; raises as `write_html`."""
    record = store.run(run_id)
    whole = collect(store, record, titles, tick)
    title = f"{whole['describe']['name']} · figures"
    body = f'<h1 class="ms-title">{escape(title)}</h1>{verdict_html(record)}<main class="mc-grid"></main>'
    write_text(path, document(title, body, whole, "figures.js"))
