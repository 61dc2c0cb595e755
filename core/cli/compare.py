"""`compare`: several methods on one suite, in one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import loading, options
from core.cli.output import print_json, print_table, say, shown
from core.cli.own_metrics import own_metrics, tell_failures
from core.cli.running import Interrupted
from core.cli.targets import folder_of_runs, writing_somewhere
from core.errors import BadInput, RunFailed, UnknownName, told
from core.export.numbers import hundredths, interval, number
from core.export.render import Best

if TYPE_CHECKING:
    from core.cli.loading import PlaceOf
    from core.export.results import ResultRow
    from core.problem.method import Method
    from core.problem.problem import Problem
    from core.settings import MethodSettings
    from core.store import Store
    from core.suite.find import SuiteFile


def compare(
    suite: options.SuiteName,
    methods: Annotated[
        str,
        typer.Option(
            metavar="a,b,c|all",
            help="Methods separated by commas, or all. A method can have settings of its own: "
            "`adamerging:group=task:objective=cross_entropy`.",
        ),
    ],
    tasks: options.Tasks = None,
    set_: options.Settings = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again, even what is already done.")] = False,
    memory: options.Memory = "auto",
    on: options.On = None,
    metric: options.Metrics = None,
    runs: options.Runs = None,
    as_json: options.Json = False,
) -> None:
    """Run several methods on SUITE and list accuracy and cost side by side; the same command continues after a stop."""
    folder_of_runs(runs)
    metrics = own_metrics(metric, on)
    from core import methods as registry

    wanted = registry.names() if methods == "all" else options.names(methods, "--methods") or []
    chosen = [(registry.get(name), own) for name, *own in (label.split(":") for label in wanted)]
    file, subset = loading.suite_and_tasks(suite, tasks)
    prepared = _settings(chosen, file, set_, seed)
    with (
        loading.placed(on, file, subset, device, precision, memory) as (problem, place_of),
        writing_somewhere(runs) as (store, kept),
    ):
        problem.metrics = metrics
        labelled = list(zip(wanted, prepared, strict=True))
        try:
            rows, missing = _all(store, problem, file.origin, labelled, fresh, place_of)
        except KeyboardInterrupt:
            hint = "The same command continues where this one stopped." if kept else "Its runs were not kept."
            raise Interrupted(f"Interrupted. {hint}") from None
    for one in missing:
        # `all` asks for what the suite allows; a method that was named has to come.
        one["failed"] |= methods != "all"
    tell_failures(metrics, *(report for _, report, _ in rows))
    if as_json:
        print_json({"rows": [_plain(*row) for row in rows], "missing": missing})
    else:
        measured = [task["name"] for task in rows[0][1]["tasks"]] if rows else []
        _print_rows(file.name, measured, [row for row, _, _ in rows], missing, metrics)
    if reused := sum(reused for _, _, reused in rows):
        say(f"{reused} of {len(rows)} rows are earlier runs; `--fresh` runs them again.")
    failures = [f"{one['label']}: {one['reason']}" for one in missing if one["failed"]]
    for reason in (f"{one['label']} is left out: {one['reason']}" for one in missing if not one["failed"]):
        say(reason)
    if failures:
        raise RunFailed(" ".join(failures))


def _all(
    store: Store,
    problem: Problem,
    origin: str,
    wanted: list[tuple[str, tuple[Method, MethodSettings]]],
    fresh: bool,
    place_of: PlaceOf,
) -> tuple[list[tuple[ResultRow, dict[str, Any], bool]], list[dict[str, Any]]]:
    """Row, report and whether it was there before for each method that has a result; the others with the reason."""
    from core.control import Control
    from core.export.results import marked, row_of
    from core.progress import Remembered, Standing
    from core.runs.spec import RunSpec
    from core.store import ACTIVE
    from core.studies.engine.cost import weights_of

    rows: dict[int, tuple[ResultRow, dict[str, Any], bool]] = {}
    missing: dict[int, dict[str, Any]] = {}
    begun: dict[str, str] = {}
    weights = weights_of(problem, [(method.name, settings) for _, (method, settings) in wanted])
    clock = Remembered()
    clock.start("", sum(weights))

    def found(number: int, run_id: str, reused: bool) -> None:
        record = store.run(run_id)
        assert record.report is not None  # It is done.
        row = replace(row_of(record, [task["name"] for task in record.report["tasks"]]), name=wanted[number][0])
        rows[number] = row, record.report, reused

    with shown() as progress:
        place = place_of(store, Control(), progress)

        def run_of(number: int) -> str | None:
            label, (method, settings) = wanted[number]
            progress.at(Standing(label, len(rows) + len(missing), len(wanted), clock.left))
            spec = RunSpec.of(problem, method, settings, origin=origin, **place.how)
            if not fresh and (other := begun.get(spec.key)) and store.run(other).status in ACTIVE:
                return other
            known = None if fresh else spec.earlier(store)
            if known is not None and not _measured(known.report, problem.metrics):
                known = None
            if known is not None and known.report is not None:
                found(number, known.id, True)
                clock.skip(weights[number])
                return None
            run_id = begun[spec.key] = known.id if known is not None else spec.create(store)
            return run_id

        for number, run_id, failure in place.each(len(wanted), run_of):
            label, (method, _) = wanted[number]
            if failure is None:
                found(number, run_id, False)
                clock.advance(weights[number])
            else:
                # What a suite does not have, such as labelled training images, is no failure. The others' results are
                # worth having, whatever one's own method file does; the status says it.
                failed = not isinstance(failure, BadInput)
                missing[number] = {"label": label, "method": method.name, "reason": told(failure), "failed": failed}
                clock.skip(weights[number])
            progress.at(Standing(label, len(rows) + len(missing), len(wanted), clock.left))
    ordered = [rows[number] for number in sorted(rows)]
    best = marked([row for row, _, _ in ordered])
    left_out = [missing[number] for number in sorted(missing)]
    return [(row, report, reused) for row, (_, report, reused) in zip(best, ordered, strict=True)], left_out


def _measured(report: Mapping[str, Any] | None, metrics: Iterable[str]) -> bool:
    """Whether an earlier run has these metrics, or will have them once it is done."""
    labelled = [task for task in (report or {}).get("tasks", []) if task["accuracy"] is not None]
    return all(name in task.get("metrics", {}) for task in labelled for name in metrics)


def _settings(
    chosen: list[tuple[Method, list[str]]], file: SuiteFile, items: list[str] | None, seed: str | None
) -> list[tuple[Method, MethodSettings]]:
    """Each method gets those of the given settings that it has, then its own; one that no method has is an error."""
    from core.runs.spec import settings_for

    given = options.assignments(items)
    known = {name for method, _ in chosen for name in method.Settings.model_fields}
    for name in given:
        if name not in known:
            raise UnknownName("setting of the chosen methods", name, sorted(known))
    prepared = []
    for method, more in chosen:
        settled = {item.partition("=")[0].strip() for item in more}
        open_to = set(method.Settings.model_fields) - settled
        shared = [item for item in items or [] if item.partition("=")[0].strip() in open_to]
        prepared.append((method, settings_for(method, file, options.assignments([*shared, *more], seed))))
    return prepared


def _plain(row: ResultRow, report: dict[str, Any], reused: bool) -> dict[str, Any]:
    """A row of the JSON output: the report without its histories, and how the run stands among the others."""
    from core.store.records import summary

    facts = summary(report)
    more = {"label": row.name, "run": row.id, "reused": reused, "needs": row.needs}
    return more | facts | {"average_ci95": None if row.interval is None else list(row.interval), "best": row.best}


def _print_rows(
    suite: str,
    tasks: Sequence[str],
    rows: Sequence[ResultRow],
    missing: Sequence[dict[str, Any]],
    metrics: Collection[str],
) -> None:
    """One table, a block for each kind of results that compete, with the averages of `metrics`. Best first; reasons at
    the end."""
    from core.export.results import CONTESTS

    columns = ["method", *(f">{name}" for name in tasks), *COLUMNS, *(f">{name}" for name in metrics)]
    order = (*CONTESTS, "")
    ordered = sorted(rows, key=lambda row: (order.index(row.contest), -(row.average or 0)))
    blocks = [[_cells(row, metrics) for row in block] for _, block in groupby(ordered, lambda row: row.contest)]
    blocks.append([[one["label"], f"{'failed' if one['failed'] else 'left out'}, see below"] for one in missing])
    print_table(f"Accuracy on {suite}, test images, per cent (* best average of its kind)", columns, *blocks)


def _cells(row: ResultRow, metrics: Collection[str]) -> list[str]:
    name, own = Best(row.name) if row.best else row.name, [number(row.others.get(name), 4) for name in metrics]
    return [name, *(cell.text for cell in row.cells), *(told(row) for told in COLUMNS.values()), *own]


COLUMNS: dict[str, Callable[[ResultRow], str]] = {
    ">average": lambda row: hundredths(row.average),
    ">95 %": lambda row: interval(row.interval),
    ">normalised": lambda row: hundredths(row.normalised),
    ">agreement": lambda row: hundredths(row.agreement),
    "verdict": lambda row: row.verdict,
    ">seconds": lambda row: number(row.seconds, 1),
    ">peak MB": lambda row: number(row.memory, 0),
    "learned on": lambda row: row.adapted_on,
    ">images": lambda row: number(row.samples, 0),
    "needs": lambda row: row.needs,
    "result": lambda row: row.result,
}
"""Beside the accuracies of the tasks."""
