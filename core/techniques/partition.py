"""Which tasks share a model, and how many of the first blocks all of them can share."""

from __future__ import annotations

import re

from scipy.cluster.hierarchy import fcluster

from core.insight import advice
from core.insight.similarity import Similarity


def partition(similarity: Similarity, count: int) -> list[tuple[str, ...]]:
    """Groups of task names; every task is in exactly one.

    `count` groups by average linkage over 1 − cosine; with 0 the groups that the similarity advice names, and one of
    all the other tasks (one group of all tasks where it names none).
    """
    relation, tasks = similarity.overall, similarity.tasks
    if count == 0:
        found = [tuple(tasks[i] for i in group) for group in advice.groups(relation)]
        rest = tuple(task for task in tasks if not any(task in group for group in found))
        return [*found, rest] if rest else found
    if count >= len(tasks):
        return [(task,) for task in tasks]
    labels = fcluster(advice.ordering(relation).tree, count, "maxclust")
    return [tuple(t for t, own in zip(tasks, labels, strict=True) if own == label) for label in sorted(set(labels))]


def trunk(similarity: Similarity) -> int:
    """Blocks, counted from the input, up to the point where the advice says to branch; 0 where it does not."""
    found = advice.branch(similarity)
    if found is None or found[1] <= found[2]:
        return 0
    return int(re.findall(r"\d+", found[0])[0])
