"""`runs`: what is stored, and what can be done with it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import exporting, options, running, targets
from core.cli.output import print_json, print_table, tell
from core.cli.own_metrics import own_metrics, tell_failures
from core.cli.processes import followed, wanted
from core.cli.targets import command, reading, writing
from core.errors import BadInput, DiskFull
from core.export.numbers import number, percent

if TYPE_CHECKING:
    from core.store import RunRecord, Store

app = typer.Typer(help="List, show, resume, export and delete stored runs.")

RunId = Annotated[str, typer.Argument(metavar="ID", help="A run's id; see `runs list`.")]


COEFFICIENT_FILES = (".json", ".csv", ".safetensors")
Report = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write the report (JSON).")]


@app.command("list")
def list_runs(
    runs: options.Runs = None,
    as_json: options.Json = False,
) -> None:
    """List all runs, newest first."""
    gc.disable()  # Looking for garbage among ten thousand records takes a third of the time.
    try:
        with reading(runs) as store:
            rows = [_overview(record) for record in store.runs()]
    finally:
        gc.enable()
    if as_json:
        print_json({"runs": rows})
        return
    print_table(
        "Runs",
        ["id", "status", "method", "suite", ">steps", ">average", ">seconds", "created"],
        [
            [
                row["id"],
                row["status"],
                row["method"] + (", edited" if row["what_if"] else ""),
                row["suite"],
                f"{row['steps_done']}/{row['steps']}",
                percent(row["average_accuracy"]),
                number(row["seconds"], 1),
                row["created"],
            ]
            for row in rows
        ],
    )


_OVERVIEW = (
    *("id", "status", "method", "suite", "name", "tasks", "seed", "settings", "steps_done", "steps", "seconds"),
    *("created", "started", "finished", "device", "precision", "adapted_on", "samples_seen", "peak_memory_mb"),
    *("average_accuracy", "error"),
)


def _overview(record: RunRecord) -> dict[str, Any]:
    row = {key: getattr(record, key) for key in _OVERVIEW}
    changed = None if record.what_if is None else record.what_if.plain()
    return row | {"tasks": list(record.tasks), "what_if": changed}


@app.command()
def show(run_id: RunId, report: Report = None, runs: options.Runs = None, as_json: options.Json = False) -> None:
    """Show one run: its settings, progress and, once done, its report."""
    targets.check(report, "--report")
    with reading(runs) as store:
        record = store.run(run_id)
        result = _finished(store, record) if report is not None else {}
    running.write_report(result, report)
    if as_json:
        print_json(
            _overview(record)
            | {"hashes": record.hashes, "execution": record.execution.plain(), "report": record.report}
        )
        return
    facts = {**_overview(record), **{f"set {key}": value for key, value in record.settings.items()}}
    del facts["settings"], facts["what_if"]
    if record.what_if is not None:
        parent = f"{record.what_if.of}, step {record.what_if.step}"
        facts |= {"λ changed by hand": record.what_if.words, "of run": parent}
    print_table(f"Run {record.id}", ["what", "value"], [[key, _text(value)] for key, value in facts.items()])
    if record.report is not None:
        running.print_report(record.report)


def _text(value: object) -> str:
    if value is None or value == "":
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _finished(store: Store, record: RunRecord) -> dict[str, Any]:
    if record.report is None:
        raise BadInput(
            f"Run {record.id} should be done to have a report. Found status {record.status}; "
            f"resume it with `{command(store, 'resume', record.id)}`."
        )
    return record.report


@app.command()
def resume(
    run_id: RunId,
    report: Report = None,
    processes: options.Processes = None,
    metric: options.Metrics = None,
    runs: options.Runs = None,
    as_json: options.Json = False,
) -> None:
    """Continue a run that was interrupted, cancelled or failed, from its last recorded step."""
    if followed():
        return
    targets.check(report, "--report")
    count, metrics = wanted(processes), own_metrics(metric)
    with writing(runs) as store:
        result = running.resume(store, run_id, count, metrics)
    running.write_report(result, report)
    tell_failures(metrics, result)
    if as_json:
        print_json(result)
    else:
        running.print_report(result)


@app.command()
def export(
    run_id: RunId,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Merged model: a .safetensors or .onnx file, else a new folder.",
        ),
    ] = None,
    coefficients: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="λ at every step; .json, .csv or .safetensors."),
    ] = None,
    report: Report = None,
    form: exporting.Form = None,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Also upload the folder to this repository on the hub.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public (private by default).")
    ] = False,
    runs: options.Runs = None,
) -> None:
    """Write a run's merged model, coefficients or report to files."""
    targets.check(coefficients, "--coefficients", *COEFFICIENT_FILES)
    targets.check(report, "--report")
    with reading(runs) as store:
        record = store.run(run_id)
        target, told = None, list[str]()
        if out is not None or form is not None or push is not None or (coefficients is None and report is None):
            target = exporting.target(form, out, exporting.suite_of(record), name=f"merged-{run_id}", push=push)
        targets.check_distinct(
            out=target.path if target is not None else None, coefficients=coefficients, report=report
        )
        result = _finished(store, record) if report is not None else {}
        model = running.model_of(store, run_id) if target is not None else None
        if coefficients is not None:
            from core.export.coefficients import each_step, export_coefficients

            export_coefficients(record, each_step(store, run_id), coefficients)
        if target is not None and model is not None:
            told.append(target.write(store, run_id, model))
    running.write_report(result, report)
    if others := ", ".join(str(path) for path in (coefficients, report) if path is not None):
        told.append(f"Wrote {others}")
    for line in told:
        tell(line)
    if push is not None and target is not None:
        from core.export.publish import push_to_hub

        tell(f"Uploaded to {push_to_hub(target.path, push, private=not public)}")


@app.command()
def delete(run_id: RunId, runs: options.Runs = None) -> None:
    """Delete one run and everything that belongs to it."""
    try:
        _delete(run_id, runs)
    except DiskFull:
        with reading(runs) as store:
            store.make_room(run_id)
        _delete(run_id, runs)
    tell(f"Deleted run {run_id}.")


def _delete(run_id: str, runs: Path | None) -> None:
    with writing(runs) as store:
        store.run(run_id)
        store.delete(run_id)
