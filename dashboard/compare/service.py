"""What the page Compare asks the server for; every answer holds only runs that the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from core import methods
from core.errors import BadInput, MergescopeError, UnknownName
from core.export import result_texts
from core.export.results import ResultRow, Results, build
from core.problem.method import Method
from core.runs.spec import RunSpec, settings_for
from core.step import Need
from core.store import ACTIVE, RunRecord
from dashboard import wording
from dashboard.asked import one_of
from dashboard.charts.figure import Figure, in_all_sizes
from dashboard.compare import figures, published
from dashboard.compare.time import time
from dashboard.context import Context

LISTED = 500
"""Newest runs that are compared at most."""


class Comparison:
    """Reads the runs of one context."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def answer(self, args: Any, request: Any) -> dict[str, Any]:
        """The table of a suite (`suite`, else that of the run `run`, else the one chosen at first)."""
        suite = self._suite(args, request)
        records = self._ctx.runs(request, suite=suite, limit=LISTED)
        owner = self._ctx.is_owner(request)
        table = self.table(suite, records)
        between = {row.id: _between(row) for row in table.rows}
        return {
            "table": table.plain(),
            "between": {run: found for run, found in between.items() if any(found)},
            "suite": suite,
            "suites": self._choices(request, suite),
            "active": sum(record.status in ACTIVE for record in records),
            "missing": [_offered(method) for method in self._missing(suite, records)] if owner else [],
        }

    def figures(self, args: Any, request: Any) -> dict[str, Any]:
        """Bars, radar and time of the rows `ids`, in both themes and widths; time shows the rows `others` too."""
        table, rows = self._rows(args, request)
        others = [row for row in self._others(args, table) if row not in rows]
        drawn: dict[str, Callable[..., Figure]]
        drawn = {"bars": figures.bars, "radar": figures.radar, "time": partial(time, others=others)}
        return {
            name: in_all_sizes(draw, table, rows) if _drawable(name, table) else None for name, draw in drawn.items()
        }

    def text(self, args: Any, request: Any) -> dict[str, Any]:
        """The rows `ids` as a text in one of `result_texts.FORMATS`."""
        kind = one_of(args.get("format"), "format", tuple(result_texts.FORMATS))
        table, rows = self._rows(args, request)
        return {"text": result_texts.text(table, rows, kind), "name": f"mergescope-{table.suite}.{kind}"}

    def start_missing(self, args: Any, request: Any) -> dict[str, Any]:
        """Queue the methods `methods` (all by default) that have no run on all tasks yet; says where that ended."""
        jobs = self._ctx.writing_jobs()
        suite = self._suite(args, request)
        file = self._ctx.library.suite(suite)
        records = self._ctx.runs(request, suite=suite, limit=LISTED)
        wanted = args.get("methods")
        if wanted is not None and not (isinstance(wanted, list) and all(isinstance(name, str) for name in wanted)):
            raise BadInput("`methods` should be a list of method names. Reload the page.")
        missing = [method for method in self._missing(suite, records) if wanted is None or method.name in wanted]
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

    def _rows(self, args: Any, request: Any) -> tuple[Results, Any]:
        suite = self._suite(args, request)
        table = self.table(suite, self._ctx.runs(request, suite=suite, limit=LISTED))
        return table, table.chosen(_names(args, "ids"))

    def _others(self, args: Any, table: Results) -> tuple[ResultRow, ...]:
        return table.chosen(_names(args, "others")) if "others" in args else ()

    def _suite(self, args: Any, request: Any) -> str:
        wanted = args.get("suite")
        known = {name for name, _ in self._choices(request, "")}
        if isinstance(wanted, str) and wanted:
            if wanted not in known:
                raise UnknownName("suite", wanted, sorted(known))
            return wanted
        if args.get("run"):
            return self._ctx.run(args["run"], request).suite
        return self._ctx.suite if self._ctx.suite in known else next(iter(sorted(known)), self._ctx.suite)

    def _choices(self, request: Any, chosen: str) -> list[tuple[str, str]]:
        """Suites with runs that the caller sees; for those who see everything also the one chosen at first."""
        names = {record.suite for record in self._ctx.runs(request, limit=LISTED)} | ({chosen} if chosen else set())
        if self._ctx.allowed(request) is None:
            names.add(self._ctx.suite)
        return self._ctx.menu(names)

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


def _between(row: ResultRow) -> list[list[float] | None]:
    """What each task's accuracy has to be by the run's agreement with its expert, where it was not measured."""
    return [
        [cell.low, cell.high] if cell.accuracy is None and cell.low is not None and cell.high is not None else None
        for cell in row.cells
    ]


def _names(args: Any, field: str) -> list[str]:
    ids = args.get(field)
    if not isinstance(ids, list) or len(ids) > LISTED or not all(isinstance(one, str) for one in ids):
        raise BadInput(f"`{field}` should be a list of rows of this table. Reload the page.")
    return ids


def _offered(method: Method) -> dict[str, str]:
    family = wording.FAMILIES[wording.family(method)]
    return {
        "name": method.name,
        "title": method.title,
        "family": family,
        "summary": method.summary,
        "cost": method.cost,
    }


def _drawable(name: str, table: Results) -> bool:
    return bool(table.tasks) and (name != "radar" or len(table.tasks) >= 3)
