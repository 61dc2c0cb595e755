"""Grouped merging: one model for each group of similar tasks, or one trunk with a branch for each group."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Literal

from torch import Tensor

from core.insight import advice
from core.insight.similarity import Similarity, similarity
from core.learning import starts
from core.problem.grouping import block_of, by_depth
from core.problem.method import Outcome, Problem, Weights
from core.problem.task_vectors import TaskVectors
from core.settings import MethodSettings, setting
from core.techniques.tensorwise import Staged


class GroupedSettings(MethodSettings):
    """Settings of grouped merging."""

    groups: int = setting(
        0, "How many models to make; 0: as many as the similarity of the task vectors suggests, possibly one.",
        source="Mergescope", ge=0, le=1000,
    )  # fmt: skip
    within: Literal["tsv_m", "task_arithmetic", "average", "ties", "iso_c"] = setting(
        "tsv_m", "How the tasks of a group are merged, with that method's defaults.", source="Mergescope"
    )
    trunk: int = setting(
        0, "How many of the first transformer blocks all groups share, embedding included; 0: none, i.e. separate "
        "models; −1: up to where the similarity suggests branching.",
        source="Mergescope", ge=-1, le=1000,
    )  # fmt: skip


class Grouped(Staged[GroupedSettings]):
    """θ_group = merge of the group's experts; the first blocks may come from the merge of all experts."""

    title = "Grouped merging"
    paper = (
        "Average-linkage groups of the cosine similarity of task vectors (AdaMerging, figure 4), each merged with a "
        "method of your choice; proposed by reviewers of AdaMerging. A group of one task is just its expert."
    )
    summary = (
        "Makes several models, each for tasks that go well together, or one shared trunk that branches where the tasks "
        "diverge."
    )
    cost = (
        "Depends on the method used within the groups. Makes one model per group, or one branch per group if there is "
        "a trunk."
    )
    single = False
    Settings = GroupedSettings

    def work(self, problem: Problem, settings: GroupedSettings) -> Generator[float, None, Outcome]:
        vectors = problem.task_vectors
        found = similarity(vectors)
        groups = partition(found, settings.groups)
        shared = _shared(vectors, trunk(found) if settings.trunk < 0 else settings.trunk)
        wanted = [*groups, vectors.tasks] if any(shared) and len(groups) > 1 else groups
        made: list[Tensor] = []
        for tasks in wanted:
            made.append(_merge(problem, tasks, settings.within))
            yield len(made) / len(wanted)
        if len(wanted) > len(groups):
            common = made.pop()
            for span in (span for span, own in zip(vectors.spans, shared, strict=True) if own):
                for model in made:
                    model[span] = common[span]

        def weights(task: str) -> Weights:
            home = next((at for at, tasks in enumerate(groups) if task in tasks), None)
            return vectors.base if home is None else vectors.named(made[home])

        return Outcome(weights, single=False)


def _shared(vectors: TaskVectors, blocks: int) -> list[bool]:
    """For each parameter tensor: whether it belongs to the trunk of so many blocks."""
    order = by_depth(map(block_of, vectors.names))
    own = set(order[: 1 + blocks]) if blocks and order[0] == "embedding" else set(order[:blocks])
    return [block_of(name) in own for name in vectors.names]


def _merge(problem: Problem, tasks: Sequence[str], within: str) -> Tensor:
    """θ `[D]` of one group."""
    vectors = problem.task_vectors
    if len(tasks) == 1:
        return vectors.flat(vectors.expert(tasks[0]))
    own = vectors.part(tasks)
    return own.flat(starts.made(replace(problem, task_vectors=own), within))


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
    from scipy.cluster.hierarchy import fcluster  # Here: a list of runs names the methods and waits for them.

    labels = fcluster(advice.ordering(relation).tree, count, "maxclust")
    return [tuple(t for t, own in zip(tasks, labels, strict=True) if own == label) for label in sorted(set(labels))]


def trunk(similarity: Similarity) -> int:
    """Blocks, counted from the input, up to the point where the advice says to branch; 0 where it does not."""
    found = advice.branch(similarity)
    if found is None or found[1] <= found[2]:
        return 0
    return int(re.findall(r"\d+", found[0])[0])
