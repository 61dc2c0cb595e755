"""The table of results, rows × tasks, from the reports of finished runs; here stands which result is the best."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from core import methods
from core.errors import MergescopeError
from core.export.numbers import hundredths, interval
from core.export.report import average_ci95
from core.export.reported import ACCURACY, Reported, averages, reported, values
from core.export.titles import differences, method_title
from core.methods import Role
from core.settings import parse_stored
from core.statistics import mean
from core.step import Form, Need

if TYPE_CHECKING:
    from core.store import RunRecord

Kind = Literal["run", "reference", "published"]
Group = Literal["one", "labelled", "several", "edited", "reference", "published"]
"""One model made without labels, one that saw labels, several models or modules of their own for each task, λ that a
person changed, and rows that are no run."""
LABELS = frozenset({Need.LABELLED, Need.TRAINING})
CONTESTS = tuple(f"{form}, {labels}" for form in Form for labels in ("no labels", "labels"))
"""In which results compete (`contest`), the most comparable first."""


def winners(values: Sequence[float | None], contests: Sequence[Hashable], *, lowest: bool = False) -> list[bool]:
    """The one rule for what is the best: the highest of its contest, which has at least two values.

    A falsy contest means that its value takes part in none. What a contest is says `contest`.
    """
    known: dict[Hashable, list[float]] = {}
    for value, contest in zip(values, contests, strict=True):
        if value is not None and contest:
            known.setdefault(contest, []).append(value)
    best = {contest: (min if lowest else max)(found) for contest, found in known.items() if len(found) > 1}
    return [value is not None and best.get(contest) == value for value, contest in zip(values, contests, strict=True)]


def contest(method: str, settings: Mapping[str, Any], report: Mapping[str, Any], *, edited: bool = False) -> str:
    """What a result competes with: merges of the same form, with labels or without.

    Nothing where a person changed λ, and of a reference or yardstick, which merges nothing.
    """
    known = methods.known(method)
    if edited or (known is not None and not known.role.competes):
        return ""
    return f"{form_of(method, report)}, {'labels' if needs_of(method, settings) in LABELS else 'no labels'}"


def form_of(method: str, report: Mapping[str, Any]) -> str:
    """What a result consists of (`core.step.Form`); reports of the first versions don't say it."""
    known = methods.known(method)
    return str(report.get("form") or (known.form if known is not None else Form.ONE))


def needs_of(method: str, settings: Mapping[str, Any]) -> str:
    """What a run had to be given (`core.step.Need`); empty for a method or settings that this version lacks."""
    try:
        found = methods.get(method)
        return found.needed(parse_stored(found.Settings, settings, method)).value
    except MergescopeError:
        return ""


@dataclass(frozen=True)
class Score:
    """One accuracy, as a fraction."""

    accuracy: float | None = None
    low: float | None = None
    """95 % interval; where accuracy was not measured, what it has to be by the agreement with the expert."""
    high: float | None = None
    normalised: float | None = None
    best: bool = False
    """`winners` says so."""
    others: dict[str, float] = field(default_factory=dict)
    """What else is reported, by name (`core.export.reported`)."""

    @property
    def text(self) -> str:
        """In per cent: the accuracy, or where it was not measured the interval that it has to lie in."""
        if self.accuracy is None and self.low is not None and self.high is not None:
            return interval((self.low, self.high))
        return hundredths(self.accuracy)


@dataclass(frozen=True)
class ResultRow:
    """One line of the table. `cells` stand in the order of the table's tasks."""

    id: str
    """The run's id; `base`, `experts` or `published-…` for rows that are no run."""
    kind: Kind
    name: str
    method: str
    cells: tuple[Score, ...]
    average: float | None = None
    interval: tuple[float, float] | None = None
    """95 % interval of the average."""
    best: bool = False
    normalised: float | None = None
    agreement: float | None = None
    """Share of watched images on which it names the class that the task's expert names, mean over tasks."""
    kl: float | None = None
    """Mean KL(expert ‖ model) on them, in nats."""
    kept_step: int | None = None
    """The step whose model it is, where one was chosen."""
    verdict: str = ""
    """What it comes to (`core.runs.verdict.Code`)."""
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
    group: Group = "one"
    needs: str = ""
    """What the method had to be given, as `core.step.Need` says it; empty where that is not known."""
    parent: str = ""
    """The run whose λ was changed by hand, by the name that people read; its cost is in this row's."""
    changes: str = ""
    """What was changed, and after which step."""
    differs: str = ""
    """What tells it apart from other runs of its name, as `group=block`."""
    contest: str = ""
    """What it competes with (`contest`); empty: nothing."""
    others: dict[str, float] = field(default_factory=dict)
    """Averages of what else is reported, by name."""
    label: str = field(init=False)
    """Its name where it stands alone, in a figure or a text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", f"{self.name}, {self.differs}" if self.differs else self.name)

    @property
    def result(self) -> str:
        """What a run's result consists of; empty for rows that are no run."""
        if self.kind != "run":
            return ""
        return f"{self.note or Form.ONE}{f', λ of {self.parent} changed by hand' if self.parent else ''}"


@dataclass(frozen=True)
class Results:
    """The results of one suite."""

    suite: str
    tasks: tuple[str, ...]
    titles: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    measure: Reported = ACCURACY
    """What every `accuracy` and `average` in it is of."""
    measures: tuple[Reported, ...] = ()
    """What the `others` hold."""

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def chosen(self, ids: Sequence[str]) -> tuple[ResultRow, ...]:
        """The rows of these ids, in the order of `ids`; unknown ones are left out."""
        known = {row.id: row for row in self.rows}
        return tuple(known[found] for found in dict.fromkeys(ids) if found in known)


def build(
    suite: str,
    records: Iterable[RunRecord],
    tasks: Sequence[str],
    titles: Mapping[str, str],
    published: Callable[[tuple[str, ...]], Sequence[ResultRow]] = lambda tasks: (),
) -> Results:
    """The table of the finished runs among `records`; tasks that no run has are left out, unknown ones come last.

    `titles` are names for people; `published` makes rows for the table's tasks. Base and experts come from the
    reports' own references.
    """
    done = [record for record in records if record.status == "done" and record.report]
    reports = [_by_task(record) for record in done]
    seen = dict.fromkeys(name for report in reports for name in report)
    columns = tuple([task for task in tasks if task in seen] + [task for task in seen if task not in tasks])
    rows = [row_of(record, columns) for record in done]
    names = {row.id: row.name for row in rows}
    apart = differences(done, names)
    rows = [
        replace(row, differs=apart[row.id], parent=names.get(changed.of, f"run {changed.of}") if changed else "")
        for row, changed in zip(rows, (record.what_if for record in done), strict=True)
    ]
    merged = {task for record in done for task in record.tasks}
    references = _references(reports, columns, merged, {record.method for record in done if record.what_if is None})
    shown = tuple(titles.get(task) or task.replace("_", " ") for task in columns)
    measures = reported(task for report in reports for task in report.values())
    return Results(suite, columns, shown, (*marked(rows), *references, *published(columns)), measures=measures)


def row_of(record: RunRecord, columns: Sequence[str]) -> ResultRow:
    """A finished run as a row, with `columns` as its tasks; `marked` then says what is best."""
    report, changed, tasks = record.report or {}, record.what_if, _by_task(record)
    form, method = form_of(record.method, report), method_title(record)
    needs, note = needs_of(record.method, record.settings), "" if form == Form.ONE else form
    unknown = changed is not None and changed.seconds is None
    return ResultRow(
        id=record.id,
        kind="run",
        name=record.name or method,
        method=method,
        cells=tuple(_score(tasks.get(task)) for task in columns),
        average=report.get("average_accuracy"),
        interval=average_ci95(report.get("tasks", []), record.tasks),
        normalised=report.get("average_normalised"),
        agreement=report.get("average_agreement"),
        kl=report.get("average_kl"),
        kept_step=record.kept,
        verdict=(report.get("verdict") or {}).get("code", ""),
        complete=all(task in tasks for task in columns),
        merged=len(record.tasks),
        adapted_on=record.adapted_on,
        samples=None if unknown else record.samples_seen,
        steps=record.steps_done,
        seconds=None if unknown else record.seconds,
        memory=record.peak_memory_mb if record.peak_memory_mb is not None else report.get("peak_memory_mb"),
        created=record.created,
        settings=dict(record.settings),
        note=note,
        group="edited" if changed else "several" if note else "labelled" if needs in LABELS else "one",
        needs=needs,
        changes="" if changed is None else f"after step {changed.step}: {changed.words}",
        contest=contest(record.method, record.settings, report, edited=changed is not None),
        others=averages(report),
    )


def marked(rows: Sequence[ResultRow], measure: Reported = ACCURACY) -> list[ResultRow]:
    """The same rows with the best values and averages of a measure marked."""
    contests, lowest = [row.contest if measure.best else "" for row in rows], measure.best == "lowest"
    by_task = zip(*(row.cells for row in rows), strict=True)
    columns = [winners([cell.accuracy for cell in cells], contests, lowest=lowest) for cells in by_task]
    # Averages over fewer tasks, or of another number of merged ones, can't be compared.
    most: dict[str, int] = {}
    for row in rows:
        most[row.contest] = max(most.get(row.contest, 0), row.merged)
    whole = [row.average if row.complete and row.merged == most[row.contest] else None for row in rows]
    found = []
    for place, (row, leads) in enumerate(zip(rows, winners(whole, contests, lowest=lowest), strict=True)):
        cells = (replace(cell, best=column[place]) for cell, column in zip(row.cells, columns, strict=True))
        found.append(replace(row, cells=tuple(cells), best=leads))
    return found


def _by_task(record: RunRecord) -> dict[str, dict[str, Any]]:
    return {str(task["name"]): task for task in (record.report or {}).get("tasks", [])}


def _score(task: Mapping[str, Any] | None) -> Score:
    if task is None:
        return Score()
    low, high = task.get("ci95") or task.get("accuracy_between") or (None, None)
    return Score(task.get("accuracy"), low, high, task.get("normalised"), others=values(task))


def _references(
    reports: Sequence[Mapping[str, Mapping[str, Any]]], columns: Sequence[str], merged: set[str], made: set[str]
) -> list[ResultRow]:
    """Rows of the base and of the experts, where no run of that method stands in the table already.

    Their averages count what a report's do (`core.export.report.averaged`): merged tasks whose accuracy is known.
    """
    found = []
    for source, key, name, role, note in (
        ("base_accuracy", "base", "Base model", Role.LOWER, "reference"),
        ("expert_accuracy", "experts", "Each task's expert", Role.UPPER, "reference, one model per task"),
    ):
        if made.intersection(methods.of_role(role)):
            continue
        told = [[report[task].get(source) for report in reports if task in report] for task in columns]
        known = [max((value for value in values if value is not None), default=None) for values in told]
        if any(value is not None for value in known):
            cells = tuple(map(Score, known))
            average = mean([value for task, value in zip(columns, known, strict=True) if task in merged])
            found.append(ResultRow(key, "reference", name, name, cells, average, note=note, group="reference"))
    return found
