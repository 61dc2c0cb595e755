"""How long work reports that it goes on; the command line and the pages draw it, the engine does not."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one piece of work at a time."""

    def start(self, label: str, total: int | None) -> None:
        """A new piece of work of `total` units (None: unknown)."""

    def advance(self, units: int = 1) -> None:
        """`units` more are done."""

    def finish(self) -> None:
        """The piece of work is over."""


class Silent:
    """A progress nobody looks at."""

    def start(self, label: str, total: int | None) -> None:
        """Ignore."""

    def advance(self, units: int = 1) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""
