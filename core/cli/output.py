"""What commands print: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

NON_TERMINAL_WIDTH = 240
"""Columns of a table that goes to a file or another program, where nothing is gained by wrapping at 80."""


def program() -> str:
    """How the person called us, for hints they can paste: `python launch.py` or `mergescope`."""
    name = Path(sys.argv[0]).name
    return f"python {name}" if name.endswith(".py") else name


def say(message: str) -> None:
    """One line on standard error, whatever line breaks and control characters the message contains."""
    line = " ".join(message.split())
    print("".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line), file=sys.stderr)


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object on standard output; NaN and infinity, which JSON does not have, are an error."""
    print(json.dumps(data, indent=2, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output; columns whose name starts with `>` are numbers, set to the right.

    An empty row is a line between those above and below it.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = NON_TERMINAL_WIDTH
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        if row:
            table.add_row(*row)
        else:
            table.add_section()
    console.print(title, style="bold")
    console.print(table)


def percent(fraction: float | None) -> str:
    """`0.8125` -> `81.2 %`; nothing known -> `–`."""
    return "–" if fraction is None else f"{100 * fraction:.1f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """A confidence interval of fractions, as percentages."""
    return "–" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number, or `–`."""
    return "–" if value is None else f"{value:.{digits}f}"
