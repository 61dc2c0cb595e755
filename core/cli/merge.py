"""`merge`: one method on one suite, reported, stored and exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli import loading, options, targets
from core.cli.output import print_json, shown, tell
from core.cli.processes import followed, shared, wanted
from core.cli.running import copy_model, finished_or_run, model_of, print_report, warn_of_distrust, write_report
from core.cli.targets import command, folder_of_runs, writing_somewhere
from core.errors import BadInput


def merge(
    suite: options.SuiteName,
    method: Annotated[str, typer.Option(metavar="NAME", help="A method; see `methods`.")] = "adamerging",
    tasks: options.Tasks = None,
    set_: options.Settings = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    memory: options.Memory = "auto",
    processes: options.Processes = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the merged model (.safetensors).")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report (JSON).")] = None,
    runs: options.Runs = None,
    as_json: options.Json = False,
) -> None:
    """Merge the experts of SUITE into one model and measure it on every task."""
    if followed():  # Process 0 does the rest.
        return
    count = wanted(processes)
    targets.check(out, "--out", ".safetensors")
    targets.check(report, "--report")
    targets.check_distinct(out=out, report=report)
    folder_of_runs(runs)

    from core import methods
    from core.runs.spec import RunSpec, settings_for

    chosen = methods.get(method)
    if out is not None and chosen.form.obstacle:
        raise BadInput(f"`--out` needs a method that makes one model. Found `{method}`: {chosen.form.obstacle}.")
    file, subset = loading.suite_and_tasks(suite, tasks)
    targets.check_not_read(file, out=out, report=report)
    settings = settings_for(chosen, file, options.assignments(set_, seed))
    with shared(count, chosen, settings, [name for name in file.experts if name in (subset or [name])], device) as team:
        problem = loading.load(file, subset, device, precision, memory, team)
        warned = warn_of_distrust(problem, chosen, settings)
        with writing_somewhere(runs) as (store, kept):
            with shown() as progress:
                spec = RunSpec.of(problem, chosen, settings, origin=file.origin, check=warned)
                run_id, result, _ = finished_or_run(store, problem, spec, kept=kept, fresh=True, progress=progress)
            if out is not None:
                copy_model(model_of(store, run_id), out)
            hint = f"Run {run_id}; see `{command(store, 'show', run_id)}`" if kept else "This run is not kept."
    write_report(result, report)
    if as_json:
        print_json(result)
        return
    print_report(result)
    tell(hint)
