"""`merge`: one method on one suite, reported, stored and exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli import exporting, loading, options, targets
from core.cli.output import print_json, shown, tell
from core.cli.own_metrics import own_metrics, tell_failures
from core.cli.processes import followed, shared, wanted
from core.cli.running import carried_out, model_of, print_report, warn_of_distrust, write_report
from core.cli.targets import command, folder_of_runs, writing_somewhere
from core.errors import BadInput
from core.export.forms import Format


def merge(
    suite: options.SuiteName,
    method: Annotated[str, typer.Option(metavar="NAME", help="A method; see `methods`.")] = "adamerging",
    tasks: options.Tasks = None,
    set_: options.Settings = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    memory: options.Memory = "auto",
    on: options.On = None,
    processes: options.Processes = None,
    metric: options.Metrics = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write the merged model: a .safetensors or .onnx file, else a new folder."),
    ] = None,
    form: exporting.Form = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report (JSON).")] = None,
    runs: options.Runs = None,
    as_json: options.Json = False,
) -> None:
    """Merge the experts of SUITE into one model and measure it on every task."""
    if followed():  # Process 0 does the rest.
        return
    count = wanted(processes)
    if on is not None and count > 1:
        raise BadInput("`--on` places a whole run, `--processes` shares one out. Found both; choose one.")
    if form is not None and out is None:
        raise BadInput(f"`--format {form}` says how the merged model is written. Add `--out PATH`.")
    targets.check(report, "--report")
    targets.check_distinct(out=out, report=report)
    folder_of_runs(runs)
    metrics = own_metrics(metric, on)

    from core import methods
    from core.control import Control
    from core.runs.spec import RunSpec, settings_for

    chosen = methods.get(method)
    if out is not None and chosen.form.obstacle:
        raise BadInput(f"`--out` needs a method that makes one model. Found `{method}`: {chosen.form.obstacle}.")
    file, subset = loading.suite_and_tasks(suite, tasks)
    targets.check_not_read(file, out=out, report=report)
    target = exporting.target(form, out, file) if out is not None else None
    settings = settings_for(chosen, file, options.assignments(set_, seed))
    sharing = shared(count, chosen, settings, [name for name in file.experts if name in (subset or [name])], device)
    with (
        sharing as team,
        loading.placed(on, file, subset, device, precision, memory, team=team) as (problem, place_of),
        writing_somewhere(runs) as (store, kept),
    ):
        problem.metrics = metrics
        warned = warn_of_distrust(problem, chosen, settings)
        with shown() as progress:
            place = place_of(store, Control(), progress)
            spec = RunSpec.of(problem, chosen, settings, origin=file.origin, check=warned, **place.how)
            run_id = spec.create(store)
            result = carried_out(store, place, run_id, kept, count)
        written = "" if target is None else target.write(store, run_id, model_of(store, run_id))
        hint = f"Run {run_id}; see `{command(store, 'show', run_id)}`" if kept else "This run is not kept."
    write_report(result, report)
    tell_failures(metrics, result)
    if as_json:
        print_json(result)
        return
    print_report(result)
    if target is not None and (target.folder or target.form is Format.NATIVE):
        tell(written)
    tell(hint)
