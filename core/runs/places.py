"""Where runs are carried out: in this thread, one after the other, or wherever several go on at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from core.control import Control
from core.errors import FAULTS, Cancelled, MergescopeError
from core.problem.problem import Problem
from core.progress import Progress
from core.runs import runner
from core.runs.spec import RunSpec
from core.store import Store

Ended = tuple[str, Exception | None]
"""A run that has ended, and what went wrong with it."""


@dataclass(frozen=True)
class Place:
    """A place where runs are carried out."""

    carry_out: Callable[[Iterable[str]], Iterator[Ended]]
    """Takes runs while it has room, and gives each back once it has ended. What stops all of them is raised."""
    how: Mapping[str, Any] = field(default_factory=dict)
    """What is another there than where the suite was loaded; facts of `core.store.Execution`."""

    def each(self, count: int, run_of: Callable[[int], str | None]) -> Iterator[tuple[int, str, Exception | None]]:
        """Carry out the runs of 0 … `count` - 1, in the order in which they end: number, run, and what went wrong.

        `run_of` is asked when there is room; None where nothing is to be done, a run that goes on already for an equal
        one. What it raises counts as the failure of a run without an id.
        """
        flight: dict[str, list[int]] = {}
        refused: list[tuple[int, str, Exception | None]] = []

        def runs() -> Iterator[str]:
            for number in range(count):
                try:
                    run_id = run_of(number)
                except Cancelled:
                    raise
                except (MergescopeError, *FAULTS) as error:
                    refused.append((number, "", error))
                    continue
                if run_id in flight:
                    flight[run_id].append(number)
                elif run_id is not None:
                    flight[run_id] = [number]
                    yield run_id

        with closing(self.carry_out(runs())) as ended:  # type: ignore[type-var]  # it is a generator
            for run_id, error in ended:
                yield from refused
                refused.clear()
                yield from ((number, run_id, error) for number in flight.pop(run_id))
        yield from refused


def in_turn(run: Callable[[str], None]) -> Place:
    """A place where `run` carries out one run after the other; it raises what stopped it."""

    def carry_out(runs: Iterable[str]) -> Iterator[Ended]:
        for run_id in runs:
            try:
                run(run_id)
            except Cancelled:
                raise
            except (MergescopeError, *FAULTS) as error:
                yield run_id, error
            else:
                yield run_id, None

    return Place(carry_out)


def here(store: Store, problem: Problem, control: Control, progress: Progress) -> Place:
    """The calling thread, on parts of one loaded problem."""
    return in_turn(partial(_execute, store, problem, control, progress))


def _execute(store: Store, problem: Problem, control: Control, progress: Progress, run_id: str) -> None:
    with runner.noted(store, run_id, control):
        spec = RunSpec.stored(store.run(run_id))
        part = spec.part(problem)
    runner.execute(store, run_id, part, spec, control=control, progress=progress)
