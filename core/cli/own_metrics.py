"""A person's own metrics: functions of a Python file that the command line names."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any

from core.cli.output import say
from core.errors import BadInput
from core.export.reported import ACCURACY, MEASURES

if TYPE_CHECKING:
    from core.problem.scores import Metric


def own_metrics(given: Sequence[str] | None, on: str | None = None) -> dict[str, Metric]:
    """`["mine.py:kappa"]` -> its function, by name; the files are run. Raises `BadInput`, also where runs are to go
    `on` other machines, which do not have the file."""
    if given and on is not None:
        raise BadInput("`--metric` is computed in this process, `--on` places runs in others. Leave one of them out.")
    found: dict[str, Metric] = {}
    files: dict[Path, dict[str, Any]] = {}
    for text in given or ():
        file, colon, name = text.rpartition(":")
        if not colon or not file.endswith(".py") or not name.isidentifier():
            raise BadInput(f"`--metric` should look like `--metric FILE.py:NAME`. Found `--metric {text}`.")
        if name in found or name in (one.name for one in (ACCURACY, *MEASURES)):
            raise BadInput(
                f"`--metric` should give each metric a name of its own. Found `{name}` once more; rename it."
            )
        path = Path(file).resolve()
        if path not in files:
            files[path] = _names(path)
        metric = files[path].get(name)
        if not callable(metric):
            own = ", ".join(one for one, value in files[path].items() if getattr(value, "__module__", "") == "metrics")
            raise BadInput(
                f"`--metric {text}` should name a function of `{path.name}`. Found none of that name; "
                f"it has {own or 'none at all'}."
            )
        found[name] = metric
    return found


def _names(path: Path) -> dict[str, Any]:
    """What a Python file defines."""
    if not path.is_file():
        raise BadInput(f"`--metric` should name a Python file. Found `{path}`, which is none.")
    try:
        with redirect_stdout(sys.stderr):
            return run_path(str(path), run_name="metrics")
    except (Exception, SystemExit) as error:  # A person's file may raise anything.
        raise BadInput(
            f"`--metric` should name a file that Python can run. `{path}`: {type(error).__name__}: {error}."
        ) from error


def tell_failures(metrics: Container[str], *reports: Mapping[str, Any]) -> None:
    """Say on standard error which of a person's own `metrics` gave no number, a line each."""
    failed: dict[str, str] = {}
    for report in reports:
        failed = report.get("failed_metrics", {}) | failed
    for name, why in failed.items():
        if name in metrics:  # A run that is used again may have more.
            say(f"Metric `{name}` gave no number ({why}). All other results are there.")
