"""From what the person typed to a checked request and a loaded problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.cli.options import names
from core.cli.output import say, shown
from core.errors import UnknownName

if TYPE_CHECKING:
    from core.control import Control
    from core.problem.problem import Problem
    from core.progress import Progress
    from core.runs.places import Place
    from core.store import Store
    from core.suite.find import SuiteFile

    PlaceOf = Callable[[Store, Control, Progress], Place]

HELD: dict[str, dict[str, Any]] = {
    "auto": {"deltas": "auto", "memory": "auto"},
    "float32": {"deltas": "float32", "memory": "ram"},
    "bfloat16": {"deltas": "bfloat16", "memory": "ram"},
    "int8": {"deltas": "int8", "memory": "ram"},
    "int4": {"deltas": "int4", "memory": "ram"},
    "mapped": {"deltas": "auto", "memory": "mapped"},
}
"""Precision and place of the task vectors, by the name on the command line."""


def suite_and_tasks(suite: str, tasks: str | None) -> tuple[SuiteFile, list[str] | None]:
    """The suite file and the chosen tasks, names checked; raises `BadInput`."""
    from core.suite import find as suites

    chosen = names(tasks, "--tasks")
    file = suites.find(suite)
    for name in chosen or ():
        file.task(name)
    return file, chosen


def load(
    file: SuiteFile, tasks: list[str] | None, device: str, precision: str, memory: str = "auto", **how: Any
) -> Problem:
    """Load base, experts, heads and images, with a progress bar on a terminal; `how` goes on to
    `core.problem.loading.load`."""
    from core.problem import loading

    if memory not in HELD:
        raise UnknownName("memory", memory, tuple(HELD))
    with shown() as progress:
        problem = loading.load(
            file, tasks, device=device, precision=precision, progress=progress, **HELD[memory], **how
        )
    for finding in problem.findings:
        say(str(finding))
    return problem


@contextmanager
def placed(
    on: str | None, file: SuiteFile, tasks: list[str] | None, device: str, precision: str, memory: str, **how: Any
) -> Iterator[tuple[Problem, PlaceOf]]:
    """A loaded suite and where its runs are carried out: here (`how` goes on to `load`), or on the cluster that `on`
    names.

    Raises `BadInput` for a cluster that can't be used; that is found out before anything is loaded.
    """
    if on is None:
        from core.runs.places import here

        problem = load(file, tasks, device, precision, memory, **how)
        yield problem, lambda store, control, progress: here(store, problem, control, progress)
        return
    from core.cluster.driver import sent

    def loaded(device: str, precision: str) -> Problem:
        return load(file, tasks, device, precision, memory)

    with sent(on, device, precision, loaded) as (problem, driver):
        yield problem, driver.place
