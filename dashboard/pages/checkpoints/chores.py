"""One piece of work at a time in the background, with progress, time left and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypedDict

from core.progress import Remembered, Standing
from core.runs.work import Lane, State, Work, Worker

_NOTHING = Standing("", 0, None, None)


class Chore(TypedDict):
    """A piece of work: what it is, how far it is, and what came of it, by its kind."""

    number: int
    kind: str
    about: str
    status: str
    """`core.runs.work.State`"""
    ended: bool
    label: str
    done: int
    total: int | None
    left: float | None
    error: str
    result: Any


class Chores:
    """At most one chore; the last one stays until the next begins, so that a reloaded page finds its result."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._last: Work[Any] | None = None
        self._number = 0

    def begin(self, kind: str, about: str, work: Callable[[Remembered], Any]) -> None:
        """Start `work(progress)`; raises `QueueFull` while another one is at work."""
        chore = Work(Lane("chores"), kind, lambda chore: work(chore.progress), about)
        busy = "One thing at a time: {} is still running. Wait, or stop it."
        self._last = self._worker.submit(chore, limit=0, full=busy)
        self._number += 1

    def cancel(self) -> None:
        """Ask the current one to stop; nothing happens where there is none."""
        if self._last is not None:
            self._worker.cancel(self._last)

    def state(self) -> Chore | None:
        """The current or last chore; None where there was none."""
        last = self._last
        if last is None:
            return None
        now = last.progress.standing() or _NOTHING
        return {
            "label": now.label,
            "done": now.done,
            "total": now.total,
            "left": now.left,
            "number": self._number,
            "kind": str(last.key),
            "about": last.title,
            "status": last.state.value,
            "ended": not last.pending,
            "error": "Stopped." if last.state is State.CANCELLED else last.error,
            "result": last.value,
        }
