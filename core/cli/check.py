"""`check`: every problem of a suite's files and every doubt about them, without merging anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from core.cli import options
from core.cli.output import print_json, print_table, shown, tell
from core.errors import BadInput

if TYPE_CHECKING:
    from core.insight.trust import TaskTrust
    from core.suite.find import SuiteFile

BAD_INPUT = 2
SHOWN = 12
"""Tensors of one file that are listed; a wrong file has hundreds of them."""


def check(
    suite: options.SuiteName,
    tasks: options.Tasks = None,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also report which tasks a run of this method is likely to harm.")
    ] = None,
    set_: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Check all files of SUITE against its base; list problems (exit status 2) and what casts doubt on the numbers."""
    from core.cli.loading import suite_and_tasks
    from core.insight.trust import warnings
    from core.problem import examine as checking
    from core.problem.validation import as_json as plain

    if set_ and method is None:
        raise BadInput("`--set` needs a `--method` that has the setting. Found none.")
    file, chosen = suite_and_tasks(suite, tasks)
    with shown() as progress:
        found, findings = checking.check(file, chosen, progress)
    trusted = _looked_ahead(file, chosen, method, set_) if method is not None and not found else None
    if as_json:
        problems = plain(found)
        content = {"suite": file.name, "problems": problems, "findings": [one.plain() for one in findings]}
        if trusted is not None:
            content["trust"] = [{"task": one.task, "trusted": one.trusted, "advice": one.advice} for one in trusted]
            content["warnings"] = warnings(trusted)
        print_json(content)
    elif not found:
        told = "nothing prevents a merge, but note:" if findings else "no problems found."
        tell(f"Suite {file.name}: {told}")
    else:
        rows = []
        for item in found:
            own = item.rows()
            rows += [list(row.values()) for row in own[:SHOWN]]
            if len(own) > SHOWN:
                rows.append([item.role, item.file, f"… and {len(own) - SHOWN} more", "", "", ""])
        print_table(f"Suite {file.name}", ["what", "file", "tensor", "problem", "expected", "found"], rows)
    if not as_json:
        for one in findings:
            tell(one)
        for text in warnings(trusted or ()):
            tell(f"Warning: {text}")
    if found:
        raise typer.Exit(BAD_INPUT)


def _looked_ahead(file: SuiteFile, tasks: list[str] | None, name: str, set_: list[str] | None) -> list[TaskTrust]:
    from core import methods
    from core.insight.trust import trust
    from core.problem import loading
    from core.runs.spec import settings_for

    method = methods.get(name)
    settings = settings_for(method, file, options.assignments(set_))
    with shown() as progress:
        return trust(loading.load(file, tasks, progress=progress), method, settings, progress)
