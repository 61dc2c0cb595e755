"""The table runs × tasks from the reports of finished runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from core import methods as registry
from core.export.report import average_ci95
from core.export.titles import EDITED
from core.problem.method import Form, Role
from core.store import RunRecord
from dashboard.differences import Named, differences

Kind = Literal["run", "reference", "published"]
Class = Literal["one", "labelled", "several", "edited", "reference", "published"]
"""What rows are compared with: one model made without labels, one that saw labels, results with several models or
modules of their own for each task, results whose λ a person changed, and rows that are no run."""
LABELS = frozenset({"labelled images", "labelled training images"})
"""Needs (`core.problem.method.Need`) with which a result does not compete with those made without labels."""


@dataclass(frozen=True)
class Cell:
    """One accuracy, as a fraction."""

    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    normalised: float | None = None
    best: bool = False
    """No other run on these tasks is higher; only rows of the class "one" compete."""


@dataclass(frozen=True)
class Row:
    """One line of the table. `cells` stand in the order of the table's tasks."""

    id: str
    """The run's id; `base`, `experts` or `published-…` for rows that are no run."""
    kind: Kind
    name: str
    method: str
    cells: tuple[Cell, ...]
    average: float | None = None
    interval: tuple[float, float] | None = None
    """95 % interval of the average."""
    best: bool = False
    normalised: float | None = None
    complete: bool = True
    """Whether every task of the table took part; averages over fewer tasks are shown but never marked as best."""
    merged: int = 0
    """Tasks that took part in the merge."""
    adapted_on: str = ""
    samples: int | None = None
    steps: int | None = None
    seconds: float | None = None
    memory: float | None = None
    created: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    group: Class = "one"
    needs: str = ""
    """What the method had to be given, as `core.problem.method.Need` says it; empty where that is not known."""
    parent: str = ""
    """The run whose λ was changed by hand, by the name that people read; its cost is in this row's."""
    changes: str = ""
    """What was changed, and after which step."""
    differs: str = ""
    """What tells it apart from other runs of its name, as `group=block`."""

    @property
    def label(self) -> str:
        """Its name where it stands alone, in a figure or a text."""
        return f"{self.name}, {self.differs}" if self.differs else self.name


@dataclass(frozen=True)
class Table:
    """What the page shows of one suite."""

    suite: str
    tasks: tuple[str, ...]
    titles: tuple[str, ...]
    rows: tuple[Row, ...]

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = [asdict(row) | {"label": row.label} for row in self.rows]
        return {"suite": self.suite, "tasks": self.tasks, "titles": self.titles, "rows": rows}

    def chosen(self, ids: Sequence[str]) -> tuple[Row, ...]:
        """The rows of these ids, in the order of `ids`; unknown ones are left out."""
        known = {row.id: row for row in self.rows}
        return tuple(known[found] for found in dict.fromkeys(ids) if found in known)


def build(
    suite: str,
    records: Iterable[RunRecord],
    tasks: Sequence[str],
    titles: Mapping[str, str],
    methods: Mapping[str, str],
    published: Sequence[Row] = (),
    needs: Callable[[RunRecord], str] = lambda record: "",
) -> Table:
    """The table of the finished runs among `records`; tasks that no run has are left out, unknown ones come last.

    `titles` and `methods` are names for people; `needs` says what a run had to be given. Base and experts come from
    the reports' own references.
    """
    done = [record for record in records if record.status == "done" and record.report]
    reports = [_by_task(record) for record in done]
    seen = dict.fromkeys(name for report in reports for name in report)
    columns = tuple([task for task in tasks if task in seen] + [task for task in seen if task not in tasks])
    titles_of = {record.id: _title(record, methods) for record in done}
    names = {record.id: record.name or titles_of[record.id] for record in done}
    apart = differences([Named.of(record, names[record.id]) for record in done])
    rows = [
        replace(
            _row(record, report, columns, titles_of[record.id], needs(record)),
            differs=apart[record.id],
            parent=_parent(record, names),
        )
        for record, report in zip(done, reports, strict=True)
    ]
    references = _references(reports, columns, {record.method for record in done if record.what_if is None})
    published = [row for row in published if len(row.cells) == len(columns)]
    shown = tuple(titles.get(task) or task.replace("_", " ") for task in columns)
    return Table(suite, columns, shown, (*_marked(rows), *references, *published))


def _title(record: RunRecord, methods: Mapping[str, str]) -> str:
    title = methods.get(record.method, record.method)
    return title if record.what_if is None else f"{title}, {EDITED}"


def _parent(record: RunRecord, names: Mapping[str, str]) -> str:
    return "" if record.what_if is None else names.get(record.what_if.of, f"run {record.what_if.of}")


def _by_task(record: RunRecord) -> dict[str, dict[str, Any]]:
    return {str(task["name"]): task for task in (record.report or {}).get("tasks", [])}


def _row(
    record: RunRecord,
    report: Mapping[str, Mapping[str, Any]],
    columns: Sequence[str],
    method: str,
    needs: str,
) -> Row:
    whole, form, changed = record.report or {}, _other_form(record), record.what_if
    unknown = changed is not None and changed.seconds is None
    return Row(
        id=record.id,
        kind="run",
        name=record.name or method,
        method=method,
        cells=tuple(_cell(report.get(task)) for task in columns),
        average=whole.get("average_accuracy"),
        interval=average_ci95(whole.get("tasks", []), record.tasks),
        normalised=whole.get("average_normalised"),
        complete=all(task in report for task in columns),
        merged=len(record.tasks),
        adapted_on=record.adapted_on,
        samples=None if unknown else record.samples_seen,
        steps=record.steps_done,
        seconds=None if unknown else record.seconds,
        memory=record.peak_memory_mb if record.peak_memory_mb is not None else whole.get("peak_memory_mb"),
        created=record.created,
        settings=dict(record.settings),
        note=form,
        group="edited" if changed else "several" if form else "labelled" if needs in LABELS else "one",
        needs=needs,
        changes="" if changed is None else f"after step {changed.step}: {changed.words}",
    )


def _other_form(record: RunRecord) -> str:
    """What the result consists of, where that is not one model."""
    method = registry.known(record.method)
    form = (record.report or {}).get("form") or (method.form if method is not None else Form.ONE)
    return "" if form == Form.ONE else str(form)


def _cell(task: Mapping[str, Any] | None) -> Cell:
    if task is None or task.get("accuracy") is None:
        return Cell()
    low, high = task.get("ci95") or (None, None)
    return Cell(task["accuracy"], low, high, task.get("normalised"))


def _marked(rows: Sequence[Row]) -> list[Row]:
    """The same rows with the highest accuracies marked; what took more than one model or labels doesn't compete."""
    competing = [row for row in rows if row.group == "one"]
    count = max((len(row.cells) for row in rows), default=0)
    best = [_highest(row.cells[place].accuracy for row in competing) for place in range(count)]
    top = _highest(row.average for row in competing if row.complete and _same_merge(row, competing))
    marked = []
    for row in rows:
        wins = row.group == "one" and len(competing) > 1
        cells = tuple(
            replace(cell, best=wins and cell.accuracy is not None and cell.accuracy == high)
            for cell, high in zip(row.cells, best, strict=True)
        )
        leads = wins and row.complete and row.average is not None and row.average == top
        marked.append(replace(row, cells=cells, best=leads and _same_merge(row, competing)))
    return marked


def _same_merge(row: Row, rows: Sequence[Row]) -> bool:
    """Averages over another number of merged tasks can't be compared with those of the others."""
    return row.merged == max(other.merged for other in rows)


def _references(
    reports: Sequence[Mapping[str, Mapping[str, Any]]], columns: Sequence[str], methods: set[str]
) -> list[Row]:
    """Rows of the base and of the experts, where no run of that method stands in the table already."""
    found = []
    for source, key, name, role, note in (
        ("base_accuracy", "base", "Base model", Role.LOWER, "reference"),
        ("expert_accuracy", "experts", "Each task's expert", Role.UPPER, "reference, one model per task"),
    ):
        if methods.intersection(registry.of_role(role)):
            continue
        known = [_highest(report[task].get(source) for report in reports if task in report) for task in columns]
        if any(value is not None for value in known):
            cells = tuple(Cell(value) for value in known)
            found.append(Row(key, "reference", name, name, cells, _mean(known), note=note, group="reference"))
    return found


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) and known else None
