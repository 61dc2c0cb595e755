"""How long work reports that it goes on; the command line and the pages draw it, the engine does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


class Progress:
    """Receives the progress of one piece of work at a time; this one lets it pass."""

    def at(self, standing: Standing) -> None:
        """A larger piece of work, which counts by itself, stands there."""

    def start(self, label: str, total: int | None) -> None:
        """A new piece of work of `total` units (None: unknown)."""

    def rename(self, label: str) -> None:
        """The present piece of work comes to another part of itself, counted and timed with the others."""

    def advance(self, units: int = 1) -> None:
        """`units` more are done."""

    def finish(self) -> None:
        """The piece of work is over; what follows has no name yet."""


SILENT = Progress()
"""For whoever does not ask how far the work is."""


def time_left(seconds: float, done: float, total: float | None) -> float | None:
    """Seconds that the rest takes at the pace so far; None while nothing is done, and where the total is unknown."""
    return seconds / done * max(total - done, 0) if total and done else None


@dataclass(frozen=True)
class Standing:
    """How far a piece of work is."""

    label: str
    done: int
    total: int | None
    """None: unknown."""
    left: float | None
    """Seconds; None: unknown."""


class Remembered(Progress):
    """A progress that keeps where the work stands, for whoever asks; every step first calls `tick`, which may raise."""

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        self.tick = tick
        self._now: tuple[str, int, int | None, float] | Standing | None = None

    def start(self, label: str, total: int | None) -> None:
        self.tick()
        self._now = label, 0, total, time.monotonic()

    def rename(self, label: str) -> None:
        if isinstance(self._now, tuple):
            self._now = label, *self._now[1:]

    def advance(self, units: int = 1) -> None:
        self.tick()
        if isinstance(self._now, tuple):
            label, done, total, begun = self._now
            self._now = label, done + units, total, begun

    def skip(self, units: int) -> None:
        """Some of it need not be done, and so takes no time."""
        if isinstance(self._now, tuple):
            label, done, total, begun = self._now
            self._now = label, done, total and total - units, begun

    def at(self, standing: Standing) -> None:
        """A larger piece of work, which counts by itself, stands there."""
        self._now = standing

    def finish(self) -> None:
        """The piece of work is over; what follows has no name yet."""
        self._now = None

    @property
    def left(self) -> float | None:
        """Seconds that the present piece of work still takes; None: unknown."""
        now = self.standing()
        return now.left if now is not None else None

    def standing(self) -> Standing | None:
        """The present piece of work; None between two of them."""
        # One reference, replaced as a whole: another thread never sees half of a change.
        now = self._now
        if not isinstance(now, tuple):
            return now
        label, done, total, begun = now
        return Standing(label, done, total, time_left(time.monotonic() - begun, done, total))
