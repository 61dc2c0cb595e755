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

_FUNCTIONS: dict[str, Callable[[Problem, Sequence[str], Alteration], Problem]] = {
    "weakened": experts.weakened,
    "lengthened": experts.lengthened,
    "noisy": experts.noisy,
    "irrelevant": experts.irrelevant,
    "swapped": experts.swapped,
    "other_base": experts.other_base,
    "trained_on": experts.trained_on,
    "corrupted": images.corrupted,
    "inverted": images.inverted,
    "few": images.few,
    "one_class": images.one_class,
    "label_shift": images.label_shift,
    "permuted_head": experts.permuted,
    "foreign_head": experts.foreign,
}
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
