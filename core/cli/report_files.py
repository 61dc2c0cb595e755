"""Reports: as a file, as JSON on standard output, and as a table for people."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.output import print_grid, shown, tell
from core.errors import BadInput
from core.export.numbers import number

if TYPE_CHECKING:
    from core.problem.problem import Problem
    from core.store import Store


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
    for told in doubts(report):
        tell(told)
    if report.get("check") == {"warnings": []}:
        tell("The check before the start found no reason to warn.")
    tell("  ".join(summary(report)))
    if verdict := report.get("verdict"):
        tell(verdict["sentence"])


def summary(report: dict[str, Any]) -> list[str]:
    """What a run cost, in a few words each."""
    return [
        f"{report['steps']} steps",
        f"{number(report['seconds'], 1)} s",
        f"{number(report['peak_memory_mb'], 0)} MB peak memory",
        f"{report['device']}, {report['precision']}",
        f"adapted on {report['adapted_on']}",
    ]
