"""A loaded suite made worse on purpose, in known ways: what checks and guards are measured on.

Every alteration is plain data, `{"kind": …, "tasks": […], …}`, so that a stored run says what it worked on. Without
`tasks` it befalls all. Equal data give equal problems; what is random depends on `seed`, task and kind alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.errors import BadInput, UnknownName
from core.problem.problem import Problem
from core.problem.stress import experts, images

Alteration = Mapping[str, Any]

_ALTERATIONS: tuple[Callable[[Problem, Sequence[str], Alteration], Problem], ...] = (
    experts.weakened, experts.lengthened, experts.noisy, experts.irrelevant, experts.swapped, experts.other_base,
    experts.trained_on, images.corrupted, images.inverted, images.few, images.one_class, images.label_shift,
    experts.permuted_head, experts.foreign_head,
)  # fmt: skip
_FUNCTIONS = {one.__name__: one for one in _ALTERATIONS}
KINDS = tuple(_FUNCTIONS)
"""What can be done to a suite."""


def stressed(problem: Problem, alterations: Sequence[Alteration]) -> Problem:
    """`problem` with each alteration after the other; the given one stays as it is. Raises `BadInput`."""
    for one in alterations:
        if one.get("kind") not in KINDS:
            raise UnknownName("alteration", str(one.get("kind")), KINDS)
        tasks = tuple(one.get("tasks") or problem.tasks)
        if missing := [task for task in tasks if task not in problem.tasks]:
            raise BadInput(f"`tasks` should be among {', '.join(problem.tasks)}. Found {', '.join(missing)}.")
        problem = _FUNCTIONS[one["kind"]](problem, tasks, one)
    return problem
