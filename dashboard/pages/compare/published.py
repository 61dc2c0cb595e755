"""Published accuracies beside measured ones, where the suite is one of the papers' own."""

from __future__ import annotations

import re

from core.export.results import ResultRow, Score
from core.studies.published import architecture, plain_name, tables
from core.suite.find import SuiteFile


def rows(suite: SuiteFile, tasks: tuple[str, ...]) -> list[ResultRow]:
    """The papers' rows in the order of `tasks`; empty unless architecture and tasks are those of the papers."""
    known = tables()
    arch = architecture(suite.entry.base.arch)
    names = [plain_name(task) for task in known["tasks"]]
    wanted = [plain_name(task) for task in tasks]
    if arch not in known["accuracy"] or sorted(wanted) != sorted(names):
        return []
    source = str(known["source"])
    found = []
    for method, values in known["accuracy"][arch].items():
        cells = tuple(Score(values[names.index(task)] / 100) for task in wanted)
        found.append(_row(method, cells, values[len(names)] / 100, source))
    averages = known["average_accuracy"][arch]
    told = {re.sub(r" \(.*", "", row.method) for row in found}
    for method, average in averages.items():
        if method not in told:
            found.append(_row(method, tuple(Score() for _ in wanted), average / 100, source))
    return found


def _row(method: str, cells: tuple[Score, ...], average: float, source: str) -> ResultRow:
    return ResultRow(
        id="published-" + re.sub(r"[^a-z0-9]+", "-", method.lower()).strip("-"),
        kind="published",
        name=f"{method}, published",
        method=method,
        cells=cells,
        average=average,
        note=f"published: {source}",
        group="published",
    )
