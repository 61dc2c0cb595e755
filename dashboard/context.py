"""What every page is built with: a `Context`.

Everything that a page shows comes from `ctx.store`. Who may see what is decided per request, never per page; a run that
does not exist and one that the caller may not see look the same (`NotVisible`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, MergescopeError, StoreReadOnly, UnknownName
from core.progress import SILENT, Progress
from dashboard.tunnel import Tunnel

if TYPE_CHECKING:
    from core.problem.problem import Problem
    from core.runs.jobs import Jobs
    from core.store import RunRecord, Store
    from core.suite.find import SuiteFile
    from dashboard.access import Access
    from dashboard.library import Library

LISTED = 500
"""Newest runs that are compared at most."""
RUN_ID = re.compile(r"[0-9a-f]{12}")


class NotOwner(MergescopeError):
    """The caller does not hold this server's owner token; nothing was changed."""


class NotVisible(BadInput):
    """The run does not exist, or the caller's link does not cover it; the two look the same from outside."""


_WITHHELD = "This failed. Only the owner of this page is told why."


@dataclass(frozen=True)
class Context:
    """Everything a page may use. One per app: the owner's and the read-only one share store, access and library."""

    store: Store
    jobs: Jobs | None
    """None in the read-only app, and where another process writes to the store."""
    readonly: bool
    access: Access
    library: Library
    suite: str = "demo"
    """Name of the suite that is chosen at first."""
    host: str = "127.0.0.1"
    """The address that the server listens on."""
    tunnel: Tunnel = field(default_factory=Tunnel)
    """The public link of `--share`."""
    poll_seconds: float = 0.7
    """Pause between two polls of a page; the JavaScript side finds it as `mergescope.pollSeconds`."""
    studies: Any = None
    """The studies in the background (`core.studies.engine.background.Background`); None where `jobs` is None."""
    take_over: Callable[[], None] | None = None
    """Makes this the server that writes, where the one that did has gone."""

    def allowed(self, request: Any) -> frozenset[str] | None:
        """The run ids that the caller may see; None means all. The owner sees all; nobody in particular sees none."""
        return self.access.viewer(request).runs

    def visible(self, run_id: object, request: Any) -> bool:
        """True where `run_id` is a well-formed id that the caller may see (it may still not exist)."""
        if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
            return False
        allowed = self.allowed(request)
        return allowed is None or run_id in allowed

    def run(self, run_id: object, request: Any) -> RunRecord:
        """The record of a run that the caller may see; raises `NotVisible`."""
        record = self.find(str(run_id)) if self.visible(run_id, request) else None
        if record is not None:
            return record
        raise NotVisible(
            "That run is not here. Expected one that your link covers. Choose a run in the list on the left."
        )

    def runs(self, request: Any, *, suite: str | None = None, limit: int | None = None) -> list[RunRecord]:
        """The runs that the caller may see, newest first; the filters are those of `Store.runs`.

        Cells of studies stand on the page Studies, not in lists of runs.
        """
        allowed = self.allowed(request)
        if allowed is None:
            return list(map(self._said, self.store.runs(suite=suite, limit=limit, cells=False)))
        found = [record for record in map(self.find, allowed) if record is not None]
        mine = [record for record in found if suite in (None, record.suite)]
        return sorted(mine, key=lambda record: record.created, reverse=True)[:limit]

    def find(self, run_id: str) -> RunRecord | None:
        """The record of a run, as lists have it, without asking who wants to know; None where there is none."""
        try:
            return self._said(self.store.run(run_id, whole=False))
        except UnknownName:
            return None

    def suites_of(self, request: Any) -> list[str]:
        """Names of the suites that the caller may hear of from runs; for those who see everything also the one chosen
        at first."""
        first = [self.suite] if self.allowed(request) is None else []
        return list(dict.fromkeys([*first, *(record.suite for record in self.runs(request, limit=LISTED))]))

    def said(self, error: str) -> str:
        """A failure as callers of this app may read it. Those who only look hear of no path on this machine: the door
        withholds an `error`, and takes paths out of all other texts (`dashboard.paths`)."""
        return _WITHHELD if self.readonly and ("/" in error or "\\" in error) else error

    def _said(self, record: RunRecord) -> RunRecord:
        return replace(record, error=self.said(record.error)) if self.readonly and record.error else record

    def is_owner(self, request: Any) -> bool:
        """True where the caller holds the owner token and this is the owner's app."""
        return not self.readonly and self.access.viewer(request).owner

    def owner(self, request: Any) -> None:
        """Raise `NotOwner` unless the caller holds the owner token. Asked before every function of the owner's."""
        if not self.is_owner(request):
            raise NotOwner(
                "Only the person who started this server can do that. Expected the owner's link, found "
                "none. Open the link that `python launch.py` printed."
            )

    def writing_jobs(self) -> Jobs:
        """The jobs, for a handler that starts or stops something; raises `StoreReadOnly` where there are none."""
        if self.jobs is None:
            raise StoreReadOnly(
                f"Runs can't be started or changed here: {self.store.holder or 'nobody'} writes to "
                f"{self.store.folder}. Use that process, stop it, or choose another folder with --runs."
            )
        return self.jobs

    def suites(self) -> Mapping[str, SuiteFile]:
        """The suites that can be chosen, by name (read once, refreshed when a suite file changes)."""
        return self.library.suites()

    def titles(self, suite: str) -> dict[str, str]:
        """Names of a suite's tasks for people; empty for a suite that is not here (any more)."""
        file = self.suites().get(suite)
        return {task.name: task.title for task in file.tasks} if file is not None else {}

    def menu(self, suites: Iterable[str]) -> list[tuple[str, str]]:
        """Names of suites with their titles, to choose from."""
        known = self.suites()
        return [(name, known[name].title if name in known else name) for name in sorted(suites)]

    def problem_of(self, record: RunRecord, progress: Progress = SILENT) -> Problem:
        """What a run works on, as it was loaded for it, on this page's device.

        The object is a page's own: its `tick` does nothing, a paused run does not hold it up. Evaluations on it
        belong inside `ctx.library.later`, which lets one page compute at a time.

        Raises `BadInput` where the suite's checkpoints are not the run's own any more.
        """
        from core.runs.spec import RunSpec

        how, suite = record.execution, self.library.suite(record.suite)
        names = how.loaded or (*record.tasks, *(how.unseen or ()))
        found = self.library.problem(record.suite, names, progress)
        # Where the page's formats are the run's, both work on one copy in memory.
        same = {name: value for name in ("precision", "deltas") if (value := getattr(how, name))}
        if any(found.execution[name] != value for name, value in same.items()):
            found = self.library.load(suite, names, device=str(found.device), **same)
        spec = RunSpec.stored(record)
        spec.require_checkpoints(found)
        return spec.part(found)
