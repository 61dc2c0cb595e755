"""`study`: a set of runs that answers one question, resumable, written down in every format."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import loading, options, targets
from core.cli.output import print_grid, print_json, print_table, say, shown, tell
from core.cli.running import Interrupted
from core.cli.targets import folder_of_runs, writing
from core.errors import BadInput, RunFailed

if TYPE_CHECKING:
    from core.cli.loading import PlaceOf
    from core.problem.problem import Problem
    from core.store import Store, StudyRecord
    from core.studies import Study
    from core.studies.engine.files import Recipe

draw_page: Callable[..., str] | None = None
"""Makes the HTML file of a study; `launch.py` sets it, since the engine draws nothing."""

StudyName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A study; lists all studies if left out.")]
OfSuite = Annotated[
    str | None, typer.Argument(metavar="[SUITE]", help="Name of a suite (see `suites`), or path to a suite file.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write CSV, LaTeX, JSON, HTML and the YAML recipe there.")
]


def study(
    name: StudyName = None,
    suite: OfSuite = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer steps, seeds and values, for a first look.")] = False,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,2", help="Seeds for random choices.")] = None,
    methods: Annotated[str | None, typer.Option(metavar="a,b", help="Only these methods.")] = None,
    tasks: options.Tasks = None,
    set_: options.Settings = None,
    recipe: Annotated[Path | None, typer.Option("--from", metavar="YAML", help="Repeat the study in a recipe.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only print how long it would take.")] = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    memory: options.Memory = "auto",
    on: options.On = None,
    out: Out = None,
    runs: options.Runs = None,
    as_json: options.Json = False,
) -> None:
    """Run a study: a set of runs that answers one question. The same command continues where it was stopped."""
    if name is None and recipe is None:
        _list(as_json)
        return
    folder_of_runs(runs)
    if estimate and on is not None:
        raise BadInput("`--estimate` measures this machine. Found `--on` as well; leave it out.")
    if out is not None:
        targets.check_folder(out, "--out")
    values: dict[str, Any] = {
        "tasks": options.names(tasks, "--tasks"),
        "methods": options.names(methods, "--methods"),
        "seeds": options.names(seeds, "--seeds"),
        "settings": options.assignments(set_),
        "quick": quick,
        "device": device,
        "precision": precision,
    }
    asked = _asked(name, suite, recipe, {key: value for key, value in values.items() if value is not None})
    from core.studies.engine.execution import tasks_of

    tasks_needed = tasks_of(asked.study, asked.suite, asked.cells)
    how = (asked.options.device, asked.options.precision, memory)
    with loading.placed(on, asked.suite, tasks_needed, *how) as (problem, place_of):
        if changed := [role for role, value in asked.hashes.items() if problem.hashes.get(role) != value]:
            say(f"Warning: the checkpoints of {', '.join(changed)} differ from those the recipe was made with.")
        with writing(runs) as store:
            if estimate:
                _print_estimate(store, asked, problem, as_json)
                return
            record = _execute(store, asked, problem, place_of)
            _write(store, asked, record, out, as_json)


def _asked(name: str | None, suite: str | None, recipe: Path | None, values: dict[str, Any]) -> Recipe:
    from core import studies
    from core.settings import parse
    from core.studies.engine.files import Recipe, read
    from core.studies.engine.scope import StudyOptions
    from core.suite import find as suites

    if recipe is not None:
        if name is not None or suite is not None:
            raise BadInput("`--from` names study and suite itself. Found a study or suite as well; leave them out.")
        return read(recipe)
    chosen = studies.get(str(name))
    if suite is None:
        raise BadInput(f"`study {name}` needs a suite. Found none; see `suites`, for example `study {name} demo`.")
    file = suites.find(suite)
    wanted = parse(StudyOptions, values, "study")
    scope = chosen.scope(file, wanted)
    cells = chosen.plan(scope)
    scope.require_known_settings(cells)
    return Recipe(chosen, file, wanted, cells, {})


def _execute(store: Store, asked: Recipe, problem: Problem, place_of: PlaceOf) -> StudyRecord:
    from core.control import Control
    from core.studies.engine import execution

    study_id = execution.register(store, asked.study, asked.suite, asked.options, asked.cells)
    control = Control()
    with shown() as progress:
        try:
            place = place_of(store, control, progress)
            execution.execute(store, study_id, nullcontext((problem, place)), control=control, watch=progress.at)
        except KeyboardInterrupt:
            raise Interrupted("Interrupted. The same command continues where this one stopped.") from None
    return store.studies.get(study_id)


def _write(store: Store, asked: Recipe, record: StudyRecord, out: Path | None, as_json: bool) -> None:
    from core.files import write_text
    from core.studies.engine import files
    from core.studies.engine.execution import result_of

    result = result_of(store, record, asked.study, asked.suite)
    written: list[Path] = []
    if out is not None:
        written = files.write_all(out, store, asked.study, asked.suite, record)
        if draw_page is not None:
            page = out / f"{asked.study.name}-{record.suite}.html"
            write_text(page, draw_page(asked.study, record, result))
            written.append(page)
    if as_json:
        typer.echo(files.text("json", store, asked.study, asked.suite, record), nl=False)
    else:
        _print_result(asked.study, record, result)
        for path in written:
            tell(f"Wrote {path}")
    if record.status == "failed":
        raise RunFailed(record.error or "No run of the study succeeded.")
    if record.error:
        say(f"Warning: {record.error}")


def _print_result(study: Study, record: StudyRecord, result: Any) -> None:
    from core.studies.engine import files
    from core.studies.engine.result import grid

    for table in (*result.tables, *result.published):
        source = f" ({table.source})" if table.source else ""
        print_grid(table.title + source, grid(table))
    for finding in result.findings:
        tell(finding)
    tell(files.said(study, record))


def _print_estimate(store: Store, asked: Recipe, problem: Problem, as_json: bool) -> None:
    from core.studies.engine.cost import forecast

    keys = [cell.key(problem) for cell in asked.cells]
    runs = store.studies.runs_of(keys)
    known = [key in runs and runs[key].status == "done" for key in keys]
    seconds = forecast(problem, asked.cells, known, store.runs(suite=asked.suite.name))
    if as_json:
        print_json({"runs": len(known), "runs_done": sum(known), "seconds": seconds})
        return
    tell(f"{len(known)} runs, {sum(known)} of them done; the others take about {seconds / 60:.1f} minutes.")


def _list(as_json: bool) -> None:
    from core import studies

    known = [studies.get(name) for name in studies.names()]
    if as_json:
        keys = ("name", "title", "question", "paper")
        print_json({"studies": [{key: getattr(one, key) for key in keys} for one in known]})
        return
    rows = [[one.name, one.question, one.paper or "–"] for one in known]
    print_table("Studies (`study NAME SUITE`)", ["name", "question", "repeats"], rows)
