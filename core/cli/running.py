"""Running one method from the command line, resumable after Ctrl-C, and its report as a file and as a table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.output import print_grid, say, shown, tell
from core.cli.processes import shared
from core.cli.targets import command
from core.errors import BadInput, MergescopeError, ProcessLost
from core.export.numbers import number

if TYPE_CHECKING:
    from core.problem.method import Method
    from core.problem.problem import Problem
    from core.problem.scores import Metric
    from core.runs.places import Place
    from core.settings import MethodSettings
    from core.store import Store


class Interrupted(MergescopeError):
    """The person pressed Ctrl-C; what was recorded stays (exit status 130)."""


def carried_out(store: Store, place: Place, run_id: str, kept: bool, processes: int = 1) -> dict[str, Any]:
    """Carry out a run at some place; its report."""
    with _interrupting(store, run_id, kept, processes):
        [(_, failure)] = place.carry_out([run_id])
        if failure is not None:
            raise failure
    report = store.run(run_id).report
    assert report is not None  # It is done.
    return report


def resume(store: Store, run_id: str, processes: int, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """Go on with a stored run after its last recorded step, in as many processes; its report, with `metrics`."""
    from core.runs import runner
    from core.runs.spec import RunSpec

    record = store.run(run_id)
    runner.require_resumable(record)
    spec = RunSpec.stored(record)
    if processes > 1 and (record.execution.images or record.execution.images_from):
        raise BadInput(
            f"`--processes` can't share out run {run_id}: a study has altered its images or chosen other ones. Resume "
            "it without."
        )
    sharing = shared(processes, spec.method, spec.settings, record.tasks, record.device or "auto")
    with sharing as team, shown() as progress:
        problem, spec = runner.reopen(record, progress, team=team)
        problem.metrics = metrics
        with _interrupting(store, run_id, True, processes):
            return runner.execute(store, run_id, problem, spec, progress=progress)


@contextmanager
def _interrupting(store: Store, run_id: str, kept: bool, processes: int) -> Iterator[None]:
    """A block in which Ctrl-C, or the loss of another process, says how to go on."""
    again = command(store, "resume", run_id) + (f" --processes {processes}" if processes > 1 else "")
    hint = f"Continue with `{again}`." if kept else "The run was not kept."
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. {hint}") from None
    except ProcessLost as error:
        raise ProcessLost(f"{error} {hint}") from None


def warn_of_distrust(problem: Problem, method: Method, settings: MethodSettings) -> list[str] | None:
    """Say on standard error which tasks a run with these settings is likely to harm; None where nothing could be
    checked."""
    from core.insight.trust import trust, warnings

    with shown() as progress:
        found = trust(problem, method, settings, progress)
    for text in warnings(found):
        say(f"Warning: {text}")
    return warnings(found) if found else None


def write_report(report: dict[str, Any], path: Path | None) -> None:
    """Write `report.json`, if it was asked for; an earlier file stays intact until the new one is complete."""
    if path is None:
        return
    from core.files import write_atomically

    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, "utf-8"))


def model_of(store: Store, run_id: str) -> Path:
    """The file of a run's merged model, made again where it is damaged; raises `BadInput` where the run has none."""
    from core.runs import model, runner
    from core.step import Form

    record = store.run(run_id)
    if model.MERGED not in store.artefacts(run_id):
        form = (record.report or {}).get("form", Form.ONE)
        reason = Form(form).obstacle if form in list(Form) else ""
        raise BadInput(
            f"Run {run_id} should be done and have made one model. Found status {record.status}, method "
            f"{record.method}{': ' if reason else ''}{reason}. Resume it, or export a run of another method."
        )

    def problem() -> Problem:
        with shown() as progress:
            found, spec = runner.reopen(record, progress, done=True)
        spec.require_checkpoints(found)
        return found

    return model.file_of(store, record, problem)


def copy_model(source: Path, path: Path) -> None:
    """Copy a merged model to `path`; an earlier file stays intact until the new one is complete."""
    from core.files import write_atomically

    write_atomically(path, lambda temporary: shutil.copyfile(source, temporary))


def print_report(report: dict[str, Any]) -> None:
    """The report of one run as a table with one row per task, and a line of averages, time and memory."""
    from core.export.tables import doubts, results

    grid = results(report, report["coefficients"]["tasks"])
    heads = ["task", "accuracy", "95 % interval", "base", "expert", "normalised", "agreement"]
    edited = ", λ changed by hand" if report.get("what_if") else ""
    print_grid(f"{report['method']}{edited} on {report['suite']}", replace(grid, heads=heads))
    print_measures(report)
    for told in doubts(report):
        tell(told)
    if report.get("check") == {"warnings": []}:
        tell("The check before the start found nothing to warn about.")
    tell("  ".join(summary(report)))
    if verdict := report.get("verdict"):
        tell(verdict["sentence"])


def print_measures(report: dict[str, Any]) -> None:
    """What a report says of each task beside accuracy, as a table; nothing where it says no more."""
    from core.export.tables import measures

    grid = measures(report)
    if grid.lines:
        print_grid("Other measures", replace(grid, heads=["task", *grid.heads[1:]]))


def summary(report: dict[str, Any]) -> list[str]:
    """What a run cost, in a few words each."""
    from core.store import Execution

    how = Execution(precision=report["precision"], deltas=report.get("deltas", ""))
    reason = report.get("precision_reason")
    return [
        f"{report['steps']} steps",
        f"{number(report['seconds'], 1)} s",
        f"{number(report['peak_memory_mb'], 0)} MB peak memory",
        f"{report['device']}, {how.formats}{f' ({reason})' if reason else ''}",
        "used no images" if report["adapted_on"] == "nothing" else f"learned on {report['adapted_on']} images",
    ]
