"""The page "Compare", which puts runs side by side. Every answer holds only runs that the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import Request
from pydantic import PlainValidator, ValidationInfo
from typing_extensions import TypedDict

from core import methods
from core.errors import BadInput, MergescopeError, UnknownName
from core.export import tables
from core.export.reported import ACCURACY
from core.export.results import ResultRow, Results, build
from core.export.seen import seen_by
from core.problem.method import Method
from core.runs.spec import RunSpec, settings_for
from core.step import Need
from core.store import ACTIVE, RunRecord
from dashboard import wording
from dashboard.asked import Line, one_of
from dashboard.charts.figure import Figure, Widths, in_both_widths
from dashboard.context import LISTED
from dashboard.door import Desk, File, everybodys, owners
from dashboard.pages.compare import figures, published
from dashboard.pages.compare.time import time
from dashboard.pages.page import Page


def _rows(given: object, info: ValidationInfo) -> Sequence[str]:
    if not isinstance(given, list) or len(given) > LISTED or not all(isinstance(one, str) for one in given):
        raise BadInput(f"`{info.field_name}` should be a list of rows of this table. Reload the page.")
    return given


Rows = Annotated[Sequence[str], PlainValidator(_rows)]
Measure = Line
"""The name of a measure; accuracy takes the place of one that no run has."""
Between = list[list[float] | None]
"""What each task's accuracy has to be by the run's agreement with its expert, where it was not measured."""


class Offered(TypedDict):
    """A method that has no run yet."""

    name: str
    title: str
    family: str
    summary: str
    cost: str


class Compared(TypedDict):
    """The table, what is known beside it by run, and what could be added; `suites` are names with titles."""

    table: Results
    between: dict[str, Between]
    verdicts: dict[str, str]
    suite: str
    suites: list[tuple[str, str]]
    active: int
    missing: list[Offered]


class Figures(TypedDict):
    """Those that the rows have data for."""

    bars: Widths | None
    radar: Widths | None
    time: Widths | None


class Started(TypedDict):
    """Ids of the runs that wait now, and what kept the others from it."""

    started: list[str]
    problem: str


class Comparison(Desk):
    """Reads the runs of one context."""

    @everybodys
    def compare(self, request: Request, run: Any = "", suite: Any = "", measure: Measure = "accuracy") -> Compared:
        """The table of a suite (`suite`, else that of the run `run`, else the one chosen at first) by a measure."""
        suite = self._suite(suite, run, request)
        records = self._ctx.runs(request, suite=suite, limit=LISTED)
        owner = self._ctx.is_owner(request)
        table = seen_by(self.table(suite, records), measure)
        between = {row.id: _between(row) for row in table.rows if table.measure == ACCURACY}
        verdicts = {one.id: (one.report or {}).get("verdict") for one in records}
        return {
            "table": table,
            "between": {run: found for run, found in between.items() if any(found)},
            "verdicts": {run: wording.worry(found) for run, found in verdicts.items() if found},
            "suite": suite,
            "suites": self._choices(request, suite),
            "active": sum(record.status in ACTIVE for record in records),
            "missing": [_offered(method) for method in self._missing(suite, records)] if owner else [],
        }

    @everybodys
    def compare_figures(
        self,
        request: Request,
        ids: Rows,
        run: Any = "",
        suite: Any = "",
        others: Rows = (),
        measure: Measure = "accuracy",
    ) -> Figures:
        """Bars, radar and time of the rows `ids` by a measure, in both widths; time shows the rows `others` too."""
        table = seen_by(self._table(suite, run, request), measure)
        rows = table.chosen(ids)
        behind = [row for row in table.chosen(others) if row not in rows]

        def drawn(draw: Callable[..., Figure], least: int = 1) -> Widths | None:
            return in_both_widths(draw, table, rows) if len(table.tasks) >= least else None

        return {
            "bars": drawn(figures.bars),
            "radar": drawn(figures.radar, least=3) if table.measure.best == "highest" else None,
            "time": drawn(partial(time, others=behind)),
        }

    @everybodys
    def compare_text(
        self,
        request: Request,
        ids: Rows,
        format: Any = "",
        run: Any = "",
        suite: Any = "",
        measure: Measure = "accuracy",
    ) -> File:
        """The rows `ids` as a text in one of `tables.FORMATS`: CSV and JSON hold all measures, the others this one."""
        kind = one_of(format, "format", tuple(tables.FORMATS))
        table = self._table(suite, run, request)
        if kind not in tables.WHOLE:
            table = seen_by(table, measure)
        return {"text": tables.text(table, table.chosen(ids), kind), "name": f"mergescope-{table.suite}.{kind}"}

    @owners
    def compare_start(
        self, request: Request, run: Any = "", suite: Any = "", methods: list[str] | None = None
    ) -> Started:
        """Queue the methods `methods` (all by default) that have no run on all tasks yet; says where that ended."""
        jobs = self._ctx.writing_jobs()
        suite = self._suite(suite, run, request)
        file = self._ctx.library.suite(suite)
        records = self._ctx.runs(request, suite=suite, limit=LISTED)
        missing = [method for method in self._missing(suite, records) if methods is None or method.name in methods]
        started: list[str] = []
        # What learns takes minutes, what is a formula seconds: the table fills sooner this way round.
        for method in sorted(missing, key=lambda method: method.needs is not Need.NOTHING):
            try:
                spec = RunSpec.asked(file, method, settings_for(method, file, {}))
                started.append(jobs.submit(spec, file))
            except MergescopeError as error:
                return {"started": started, "problem": str(error)}
        return {"started": started, "problem": ""}

    def table(self, suite: str, records: Sequence[RunRecord]) -> Results:
        """The table of these runs of a suite, with published rows where the suite is a paper's."""
        file = self._ctx.suites().get(suite)
        tasks = [task.name for task in file.tasks] if file else []
        return build(
            suite, records, tasks, self._ctx.titles(suite), lambda tasks: published.rows(file, tasks) if file else []
        )

    def _table(self, suite: object, run: object, request: Request) -> Results:
        name = self._suite(suite, run, request)
        return self.table(name, self._ctx.runs(request, suite=name, limit=LISTED))

    def _suite(self, wanted: object, run: object, request: Request) -> str:
        known = {name for name, _ in self._choices(request, "")}
        if isinstance(wanted, str) and wanted:
            if wanted not in known:
                raise UnknownName("suite", wanted, sorted(known))
            return wanted
        if run:
            return self._ctx.run(run, request).suite
        return self._ctx.suite if self._ctx.suite in known else next(iter(sorted(known)), "")

    def _choices(self, request: Any, chosen: str) -> list[tuple[str, str]]:
        """Suites with runs that the caller sees; for those who see everything also the one chosen at first."""
        return self._ctx.menu({*self._ctx.suites_of(request), *([chosen] if chosen else [])})

    def _missing(self, suite: str, records: Sequence[RunRecord]) -> list[Method]:
        """In the order of the method menu."""
        file = self._ctx.suites().get(suite)
        if file is None:
            return []
        whole = set(file.experts)
        kept = [run for run in records if run.status in ("done", *ACTIVE) and run.what_if is None]
        made = {run.method for run in kept if set(run.tasks) == whole}
        missing = [methods.get(name) for name in methods.names() if name not in made]
        return sorted(missing, key=wording.family_order)


def _between(row: ResultRow) -> Between:
    return [
        [cell.low, cell.high] if cell.accuracy is None and cell.low is not None and cell.high is not None else None
        for cell in row.cells
    ]


def _offered(method: Method) -> Offered:
    return {
        "name": method.name,
        "title": method.title,
        "family": wording.FAMILIES[wording.family(method)],
        "summary": method.summary,
        "cost": method.cost,
    }


PAGE = Page("Compare", "compare", (Comparison,))
