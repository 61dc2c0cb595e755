"""`check`: every problem of a suite's files in one table, without merging anything."""

from __future__ import annotations

import typer

from core.cli import options
from core.cli.output import print_json, print_table
from core.cli.progress import shown

BAD_INPUT = 2
SHOWN = 12
"""Tensors of one file that are listed; a wrong file has hundreds of them."""


def check(suite: options.SuiteName, tasks: options.Tasks = None, as_json: options.Json = False) -> None:
    """Hold every file of SUITE against its base and list all problems; the exit status is 2 if there are any."""
    from core.cli.loading import suite_and_tasks
    from core.problem import examine as checking
    from core.problem.validation import as_json as plain

    file, chosen = suite_and_tasks(suite, tasks)
    with shown() as progress:
        found = checking.check(file, chosen, progress)
    if as_json:
        print_json({"suite": file.name, "problems": plain(found)})
    elif not found:
        print(f"Suite {file.name}: nothing to complain of.")
    else:
        rows = []
        for item in found:
            own = item.rows()
            rows += [list(row.values()) for row in own[:SHOWN]]
            if len(own) > SHOWN:
                rows.append([item.role, item.file, f"… and {len(own) - SHOWN} more", "", "", ""])
        print_table(f"Suite {file.name}", ["what", "file", "tensor", "problem", "expected", "found"], rows)
    if found:
        raise typer.Exit(BAD_INPUT)
