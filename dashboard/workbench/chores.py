"""One piece of work at a time in the background, with progress, time left and a way to stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from core.errors import BadInput, Cancelled, MergescopeError


class Chore:
    """A running piece of work; it is the `core.progress.Progress` that the engine reports to."""

    def __init__(self, kind: str, about: str, number: int = 0) -> None:
        self.kind, self.about, self.number = kind, about, number
        self._label, self._total, self._done, self._begun = "", None, 0, time.monotonic()  # type: str, int | None, int, float
        self._stop = threading.Event()
        self.result: Any = None
        self.error = ""
        self.ended = False

    def start(self, label: str, total: int | None) -> None:
        """A new part of the work begins."""
        self.tick()
        self._label, self._total, self._done, self._begun = label, total, 0, time.monotonic()

    def rename(self, label: str) -> None:
        """Another part of the same count."""
        self._label = label

    def advance(self, units: int = 1) -> None:
        """Some of it is done."""
        self.tick()
        self._done += units

    def finish(self) -> None:
        """The part is over; the next one says what it is."""

    def tick(self) -> None:
        """Raise `Cancelled` once somebody asked to stop."""
        if self._stop.is_set():
            raise Cancelled("Stopped.")

    def cancel(self) -> None:
        """Ask it to stop."""
        self._stop.set()

    def state(self) -> dict[str, Any]:
        """For the page: what it is, how far it is, seconds left (None: unknown), and what came of it."""
        left = None
        if self._total and self._done:
            left = (time.monotonic() - self._begun) / self._done * max(self._total - self._done, 0)
        return {
            "number": self.number,
            "kind": self.kind,
            "about": self.about,
            "label": self._label,
            "done": self._done,
            "total": self._total,
            "left": left,
            "ended": self.ended,
            "error": self.error,
            "result": self.result,
        }


class Chores:
    """At most one chore; the last one stays until the next begins, so that a reloaded page finds its result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Chore | None = None

    def begin(self, kind: str, about: str, work: Callable[[Chore], Any]) -> None:
        """Start `work(chore)` in a thread; raises `BadInput` while another one is at work."""
        with self._lock:
            if self._current is not None and not self._current.ended:
                raise BadInput(f"One thing at a time: {self._current.about} is still going on. Wait, or stop it.")
            number = self._current.number + 1 if self._current is not None else 1
            chore = self._current = Chore(kind, about, number)
        threading.Thread(target=_carry_out, args=(chore, work), name=kind, daemon=True).start()

    def cancel(self) -> None:
        """Ask the current one to stop; nothing happens where there is none."""
        if self._current is not None:
            self._current.cancel()

    def state(self) -> dict[str, Any] | None:
        """The current or last chore; None where there was none."""
        return self._current.state() if self._current is not None else None


def _carry_out(chore: Chore, work: Callable[[Chore], Any]) -> None:
    try:
        chore.result = work(chore)
    except (MergescopeError, OSError) as error:
        chore.error = str(error)
    except Exception:
        chore.error = "It stopped because of a mistake in Mergescope; the terminal has the details."
        raise
    finally:
        chore.ended = True
