"""The table that many studies share: a row a variant, a column a task, and the average."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.studies.engine.done import Done, on_task, over_seeds
from core.studies.engine.result import Column, Row, Table
from core.studies.engine.scope import Scope


def accuracy_table(scope: Scope, title: str, head: str, rows: Iterable[tuple[str, Sequence[Done]]]) -> Table:
    """Accuracy by task and on average, mean and interval over seeds; rows without a finished cell are left out."""
    lines = []
    for label, cells in rows:
        if not cells:
            continue
        values = [over_seeds(cells, on_task(task)) for task in scope.tasks]
        average = over_seeds(cells)
        lines.append(Row(label, (*values, average), note_of(cells), cells[0].contest))
    columns = (*(Column(scope.titles[task]) for task in scope.tasks), Column("Average"))
    return Table(title, head, columns, tuple(lines))


def note_of(cells: Sequence[Done]) -> str:
    """How many seeds, and what it learned on."""
    adapted = {str((one.report or {}).get("adapted_on", "")) for one in cells} - {"", "nothing"}
    learned = f"learned on {', '.join(sorted(adapted))}" if adapted else ""
    seeds = f"{len(cells)} seeds" if len(cells) > 1 else ""
    return ", ".join(part for part in (seeds, learned) if part)
