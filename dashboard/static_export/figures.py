"""The figures of a run in one HTML file; its buttons save each as SVG or PNG with the browser's own Plotly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.files import write_text
from core.store import Store
from core.titles import run_title
from dashboard.charts import figures
from dashboard.charts.figure import Figure, page
from dashboard.charts.history import History
from dashboard.charts.marks import Marks
from dashboard.charts.palette import ThemeName

NAMES = {
    "Merging coefficients": "coefficients",
    "Change since step 0": "coefficients_changed",
    "Accuracy by task": "accuracy_by_task",
    "Accuracy over steps": "accuracy_over_steps",
    "Prediction entropy": "entropy",
    "Profile by depth": "depth_profile",
    "Profile by task": "task_profile",
}

CAPTIONS = {
    "Merging coefficients": "λ after the last step, one column per group of parameter tensors",
    "Change since step 0": "λ after the last step minus λ at the start",
    "Accuracy by task": "○ base · ◆ Task Arithmetic · ● merged, with its 95 % interval · | expert",
    "Accuracy over steps": "● some images · ◯ all test images · dotted: base · solid: expert · dashed: Task Arithmetic",
    "Prediction entropy": "nats per image; one thin line a task",
    "Profile by depth": "mean λ of each block, one thin line a task · shaded: the middle 80 % of all tensors",
    "Profile by task": "○ mean λ at step 0 · ● mean λ now · thick: middle half of the tensors · thin: all of them",
}


def write_figures(
    store: Store,
    run_id: str,
    path: Path,
    *,
    titles: Mapping[str, str] | None = None,
    name: str = "",
    marks: Marks | None = None,
    theme: ThemeName = "light",
) -> None:
    """Write every figure that the run has data for; raises `UnknownName` for an unknown run."""
    record = store.run(run_id)
    history = History.of(store, record, titles=titles, name=name or run_title(record), marks=marks)
    write_text(path, page(f"{history.name} · figures", drawn(history, theme), theme, captions=CAPTIONS))


def drawn(history: History, theme: ThemeName = "light") -> dict[str, Figure]:
    """The run's figures by name; those it has no data for are left out."""
    wanted = dict(NAMES)
    if not len(history.frames):
        for missing in ("Merging coefficients", "Change since step 0", "Profile by depth", "Profile by task"):
            wanted.pop(missing)
    if not len(history.evaluations):
        wanted.pop("Accuracy over steps")
    if not np.isfinite(history.entropies).any():
        wanted.pop("Prediction entropy")
    found = {title: getattr(figures, name)(history, theme=theme) for title, name in wanted.items()}
    return {title: figure for title, figure in found.items() if figure["data"]}
