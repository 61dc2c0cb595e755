"""`compare`: several methods on one suite, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import loading, options
from core.cli.output import number, percent, print_json, print_table, say
from core.cli.running import new_run
from core.cli.stores import folder_of_runs, writing_somewhere
from core.errors import BadInput, MergescopeError, RunFailed, UnknownName

if TYPE_CHECKING:
    from core.methods.base import Method
    from core.settings import MethodSettings
    from core.suites import SuiteFile

HISTORIES = ("entropy", "coefficients")
_ORDER = ("one model", "one model per task", "needs task modules")
"""Forms of results (`core.methods.base.Form`), the comparable one first."""


def compare(
    suite: options.SuiteName,
    methods: Annotated[
        str,
        typer.Option(
            metavar="a,b,c|all",
            help="Methods, separated by commas, or all. `adamerging:group=task:objective=cross_entropy` is one with "
            "settings of its own.",
        ),
    ],
    tasks: options.Tasks = None,
    set_: options.Settings = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    runs: options.Runs = None,
    as_json: options.Json = False,
) -> None:
    """Run several methods on SUITE and list their accuracy and time side by side."""
    folder_of_runs(runs)
    from core import methods as registry

    wanted = registry.names() if methods == "all" else options.names(methods, "--methods") or []
    chosen = [(registry.get(name), own) for name, *own in (label.split(":") for label in wanted)]
    file, subset = loading.suite_and_tasks(suite, tasks)
    prepared = _settings(chosen, file, set_, seed)
    problem = loading.load(file, subset, device, precision)

    rows, failures = [], []
    with writing_somewhere(runs) as (store, kept):
        for label, (method, settings) in zip(wanted, prepared, strict=True):
            try:
                _, report = new_run(store, problem, file, method, settings, kept=kept)
            except BadInput as error:
                if methods != "all":
                    raise
                # What a suite does not have, such as labelled training images, is no failure of the others.
                say(f"{method.name} is left out: {error}")
                continue
            except RunFailed as error:
                # The other methods' results are worth having; the status says that one is missing.
                failures.append(f"{method.name}: {error}")
                continue
            rows.append({"label": label} | {key: value for key, value in report.items() if key not in HISTORIES})
    if as_json:
        print_json({"rows": rows})
    else:
        _print(file.name, rows)
    if failures:
        raise MergescopeError(" ".join(failures))


def _settings(
    chosen: list[tuple[Method, list[str]]], file: SuiteFile, items: list[str] | None, seed: str | None
) -> list[tuple[Method, MethodSettings]]:
    """Each method gets those of the given settings that it has, then its own; one that no method has is an error."""
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
        prepared.append((method, loading.settings(method, file, [*shared, *more], seed)))
    return prepared


def _print(suite: str, rows: list[dict[str, Any]]) -> None:
    """A table for each form of result: one model and models with extra parts don't compete."""
    for form in dict.fromkeys(sorted((row["form"] for row in rows), key=_ORDER.index)):
        title = f"Accuracy on {suite}" + ("" if form == _ORDER[0] else f": {form}")
        _print_form(title, [row for row in rows if row["form"] == form])


def _print_form(title: str, rows: list[dict[str, Any]]) -> None:
    tasks = [task["name"] for task in rows[0]["tasks"]]
    best = max(row["average_accuracy"] or 0 for row in rows)
    table = [
        [
            row["label"] + (" *" if row["average_accuracy"] == best and len(rows) > 1 else ""),
            *(percent(task["accuracy"]) for task in row["tasks"]),
            percent(row["average_accuracy"]),
            percent(row["average_normalised"]),
            number(row["seconds"], 1),
            number(row["peak_memory_mb"], 0),
        ]
        for row in rows
    ]
    columns = ["method", *(f">{task}" for task in tasks), ">average", ">normalised", ">seconds", ">peak MB"]
    print_table(f"{title} (* best average)", columns, table)
