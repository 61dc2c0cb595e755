"""What commands show: data on standard output, everything else on standard error, progress only to who watches."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.export.render import Best, Grid, Line
from core.progress import SILENT, Progress, Standing

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

NON_TERMINAL_WIDTH = 240
"""Columns of a table that goes to a file or another program, where nothing is gained by wrapping at 80."""
_MANY = 500
"""Entries above which looks cost too much time."""


def program() -> str:
    """How the person called us, for hints they can paste: `python launch.py` or `mergescope`."""
    name = Path(sys.argv[0]).name
    return f"python {name}" if name.endswith(".py") else name


def say(message: str) -> None:
    """One line on standard error."""
    print(_line(message), file=sys.stderr)


def tell(text: object) -> None:
    """Text on standard output, of several lines where it is meant to have some; nothing in it moves the cursor."""
    print("\n".join(map(_printable, str(text).split("\n"))), flush=True)


def _line(text: str) -> str:
    """One line, whatever line breaks and control characters the text contains."""
    return _printable(" ".join(text.split()))


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


class _Plain(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        return _line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return "\n".join(map(_printable, super().formatException(ei).split("\n")))


def log_plainly() -> None:
    """What this process logs goes to standard error: names in it, which strangers may have given, move no cursor."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object on standard output; NaN and infinity, which JSON does not have, are an error."""
    long = any(isinstance(value, list) and len(value) > _MANY for value in data.values())
    print(json.dumps(data, indent=None if long else 2, allow_nan=False))  # Indenting is done in Python, which is slow.


def print_table(title: str, columns: Line, *blocks: Sequence[Line]) -> None:
    """Blocks of lines on standard output; columns whose name starts with `>` are numbers, set to the right."""
    if sum(map(len, blocks)) > _MANY:
        _print_plainly(title, columns, [line for block in blocks for line in block])
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = NON_TERMINAL_WIDTH
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(_line(column.removeprefix(">")), justify="right" if column.startswith(">") else "left")
    for block in blocks:
        table.add_section()
        for line in block:
            table.add_row(*(f"{_line(cell)} *" if isinstance(cell, Best) else _line(cell) for cell in line))
    console.print(_line(title), style="bold")
    console.print(table)


def _print_plainly(title: str, columns: Line, lines: Sequence[Line]) -> None:
    """What rich would print without wrapping; it takes a millisecond per line."""
    table = [[_line(column.removeprefix(">")) for column in columns], *(list(map(_line, line)) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    sides = [">" if column.startswith(">") else "<" for column in columns]
    form = "  " + "   ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    print(_line(title))
    for at, cells in enumerate(table):
        print(form.format(*cells).rstrip())
        if at == 0:
            print("  " + "─" * (len(form.format(*cells)) - 2))


def print_grid(title: str, grid: Grid) -> None:
    """A table of numbers, as the other formats have it."""
    print_table(title, [grid.heads[0], *(f">{head}" for head in grid.heads[1:])], *grid.blocks)


class Bar(Progress):
    """`core.progress.Progress` drawn by rich; one bar at a time."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._task: TaskID | None = None
        self._prefix = ""

    def at(self, standing: Standing) -> None:
        """From here on labels begin with where a larger piece of work stands."""
        more = f", {standing.left / 60:.0f} min left" if standing.left else ""
        self._prefix = f"[{standing.done + 1}/{standing.total}{more}] "

    def start(self, label: str, total: int | None) -> None:
        self.finish()
        self._task = self._display.add_task(f"{self._prefix}{label}", total=total)

    def rename(self, label: str) -> None:
        if self._task is not None:
            self._display.update(self._task, description=f"{self._prefix}{label}")

    def advance(self, units: int = 1) -> None:
        if self._task is not None:
            self._display.advance(self._task, units)

    def finish(self) -> None:
        if self._task is not None:
            self._display.remove_task(self._task)
            self._task = None


@contextmanager
def shown() -> Iterator[Progress]:
    """A progress bar while the block runs where standard error is a terminal, silence elsewhere."""
    if not sys.stderr.isatty():
        yield SILENT
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Display

    display = Display(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with display:
        yield Bar(display)
