"""From what the person typed to a checked request and a loaded problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cli.options import names
from core.cli.output import say, shown
from core.errors import UnknownName

if TYPE_CHECKING:
    from core.problem.problem import Problem
    from core.problem.sharing.team import Team
    from core.suite.find import SuiteFile


HELD = {
    "auto": ("auto", "auto"),
    "float32": ("float32", "ram"),
    "bfloat16": ("bfloat16", "ram"),
    "mapped": ("auto", "mapped"),
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
    file: SuiteFile,
    tasks: list[str] | None,
    device: str,
    precision: str,
    memory: str = "auto",
    team: Team | None = None,
) -> Problem:
    """Load base, experts, heads and images, with a progress bar on a terminal."""
    from core.problem import loading

    if memory not in HELD:
        raise UnknownName("memory", memory, tuple(HELD))
    deltas, place = HELD[memory]
    with shown() as progress:
        problem = loading.load(
            file, tasks, device=device, precision=precision, deltas=deltas, memory=place, team=team, progress=progress
        )
    for finding in problem.findings:
        say(str(finding))
    return problem
