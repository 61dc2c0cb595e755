"""What the task vectors are like where one λ applies: norm and sign conflict, per column of the heatmap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import TypedDict

from core.errors import BadInput
from core.insight.similarity import similarity
from core.problem.grouping import GroupKind, group
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.progress import SILENT, Progress
from dashboard.charts.columns import arrange


class Facts(TypedDict):
    """`norms[column][task]` is ‖τ‖, `conflict[column][task]` the mean share of entries whose sign differs from another
    task's; columns in the order of depth, tasks in the run's order. None where a task vector is zero."""

    norms: list[list[float]]
    conflict: list[list[float | None]]


def kind_of_groups(vectors: TaskVectors, groups: Sequence[str]) -> GroupKind:
    """The kind of groups that these are; raises `BadInput` where the run's λ belongs to other checkpoints."""
    kinds: tuple[GroupKind, ...] = ("tensor", "block", "task")
    for kind in kinds:
        if group(vectors.names, kind).groups == tuple(groups):
            return kind
    raise BadInput(
        f"The {len(groups)} groups of this run's λ should be groups of the suite's {len(vectors.names)} "
        "tensors. Found others: the suite has changed since. Choose a run of the present suite."
    )


def task_vector_facts(
    problem: Problem, groups: Sequence[str], tasks: Sequence[str], progress: Progress = SILENT
) -> Facts:
    """The facts for each column of a run's λ."""
    kind = kind_of_groups(problem.task_vectors, groups)
    found = similarity(problem.task_vectors, kind, progress)
    place = [found.tasks.index(task) for task in tasks]
    norms, conflicts = [], []
    for column in arrange(groups):
        relation = found.groups["all" if kind == "task" else column.name]
        norms.append([round(float(relation.norms[task]), 6) for task in place])
        conflicts.append(_mean_conflict(relation.conflict.numpy(), place))
    return {"norms": norms, "conflict": conflicts}


def _mean_conflict(conflict: np.ndarray, place: list[int]) -> list[float | None]:
    means = []
    for task in place:
        others = np.delete(conflict[task], task)
        known = others[np.isfinite(others)]
        means.append(round(float(known.mean()), 5) if known.size else None)
    return means
