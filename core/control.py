"""Pause, resume and cancel a run from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from core.errors import Cancelled


class Control:
    """The wishes of a run's owner; the run looks at them at every `tick`, between micro-batches."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.paused = False
        """Whether the run is asked to wait."""
        self.cancelled = False
        """Whether the run is asked to stop."""
        self.interrupted = False
        """Whether the stop is the process's (the run is `interrupted`) or the owner's (it is `cancelled`)."""
        self.paused_seconds = 0.0
        """How long ticks have waited; not part of a step's time."""
        self.noted: Callable[[str], None] = lambda _status: None
        """Told "paused" when a tick begins to wait and "running" when it goes on."""

    def pause(self) -> None:
        """Ask the run to wait."""
        self.paused = True

    def resume(self) -> None:
        """Ask the run to go on."""
        self.paused = False
        self._wake()

    def cancel(self) -> None:
        """Ask the run to stop for good; a paused one stops too."""
        self.cancelled = True
        self._wake()

    def interrupt(self) -> None:
        """Ask the run to stop because the process ends; it can be resumed by the next one."""
        self.interrupted = True
        self.cancel()

    def tick(self) -> None:
        """Wait while paused; raises `Cancelled`."""
        if self.paused and not self.cancelled:
            self.noted("paused")
            begin = time.monotonic()
            with self._changed:
                self._changed.wait_for(lambda: self.cancelled or not self.paused)
            self.paused_seconds += time.monotonic() - begin
            if not self.cancelled:
                self.noted("running")
        if self.cancelled:
            raise Cancelled("The run was interrupted." if self.interrupted else "The run was cancelled.")

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
