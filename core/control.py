"""Pause, resume and cancel a run from another thread."""

from __future__ import annotations

import threading
import time

from core.errors import Cancelled

_REACTION = 0.05
"""Seconds between two looks at a paused run; below 0.1 s a click feels immediate."""


class Control:
    """The wishes of a run's owner; the run looks at them at every `tick`, between micro-batches."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()
        self._stop = threading.Event()
        self.interrupted = False
        """Whether the stop is the process's (the run is `interrupted`) or the owner's (it is `cancelled`)."""
        self.paused_seconds = 0.0
        """How long ticks have waited; not part of a step's time."""

    @property
    def paused(self) -> bool:
        """Whether the run is asked to wait."""
        return not self._go.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether the run is asked to stop."""
        return self._stop.is_set()

    def pause(self) -> None:
        """Ask the run to wait."""
        self._go.clear()

    def resume(self) -> None:
        """Ask the run to go on."""
        self._go.set()

    def cancel(self) -> None:
        """Ask the run to stop for good; a paused one stops too."""
        self._stop.set()

    def interrupt(self) -> None:
        """Ask the run to stop because the process ends; it can be resumed by the next one."""
        self.interrupted = True
        self._stop.set()

    def tick(self) -> None:
        """Wait while paused; raises `Cancelled`."""
        if self.paused:
            begin = time.monotonic()
            while not self._stop.is_set() and not self._go.wait(_REACTION):
                pass
            self.paused_seconds += time.monotonic() - begin
        if self._stop.is_set():
            raise Cancelled("The run was interrupted." if self.interrupted else "The run was cancelled.")
