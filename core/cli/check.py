"""`check`: every problem of a suite's files and every doubt about them, without merging anything."""

from __future__ import annotations

import typer

from core.cli import options
from core.cli.output import print_json, print_table
from core.cli.progress import shown

BAD_INPUT = 2
SHOWN = 12
"""Tensors of one file that are listed; a wrong file has hundreds of them."""


def check(suite: options.SuiteName, tasks: options.Tasks = None, as_json: options.Json = False) -> None:
    """Hold every file of SUITE against its base; list all problems (exit status 2) and what makes numbers doubtful."""
    from core.cli.loading import suite_and_tasks
    from core.problem import examine as checking
    from core.problem.validation import as_json as plain

    file, chosen = suite_and_tasks(suite, tasks)
    with shown() as progress:
        found, findings = checking.check(file, chosen, progress)
    if as_json:
        problems = plain(found)
        print_json({"suite": file.name, "problems": problems, "findings": [one.plain() for one in findings]})
    elif not found:
        print(f"Suite {file.name}: nothing to complain of{', but look at this:' if findings else '.'}")
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
            print(one)
    if found:
        raise typer.Exit(BAD_INPUT)
