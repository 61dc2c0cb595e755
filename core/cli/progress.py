"""Progress bars with the time left, on standard error and only for a person who watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.progress import SILENT, Progress, Standing

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID


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
        """Replace the bar by an empty one."""
        self.finish()
        self._task = self._display.add_task(f"{self._prefix}{label}", total=total)

    def rename(self, label: str) -> None:
        """Another text before the same bar."""
        if self._task is not None:
            self._display.update(self._task, description=f"{self._prefix}{label}")

    def advance(self, units: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._display.advance(self._task, units)

    def finish(self) -> None:
        """Remove the bar."""
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
