"""What the similarity of task vectors means, in words: who conflicts, whom to merge together, where to branch.

Task vectors of unrelated tasks are nearly orthogonal: the AdaMerging paper (ICLR 2024, figure 4) finds cosines of 0.02
to 0.15 between eight experts of ViT-B/32, and half of the entries of two unrelated vectors differ in sign. The limits
below are read against those figures; they sort pairs for a person to look at and are no test of significance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.insight.similarity import ALL, Relation, Similarity
from core.problem.findings import Code, Finding
from core.problem.grouping import by_depth

Kind = Literal["doubt", "conflict", "group", "branch", "length", "calm"]
Floats = npt.NDArray[np.float64]

PULLING = -0.02
"""Cosine below which two task vectors pull against each other; unrelated ones of a million entries reach ±0.004."""
OPPOSED = 0.52
"""Share of opposite signs above which a pair is called conflicting; unrelated vectors have one half."""
GAP = 0.03
"""Gap between merge heights (in cosine) that separates groups; the paper's SVHN and MNIST stand out by 0.07."""
CLOSER = 1.5
"""A group's mean cosine over that of all pairs, below which it is not worth naming; the paper's pair has 3.7."""
STEP = 0.05
"""Change of the mean cosine from the early to the late blocks that is worth branching for."""
LONG = 1.6
"""A task vector this many times longer than the median dominates an equal merge."""
DOUBTS = {Code.OTHER_BASE: "Made from another base", Code.EQUAL_EXPERTS: "The same expert twice"}
"""Findings that make everything else about these task vectors beside the point."""
TOLD = 3
"""Pairs that are named at most."""


@dataclass(frozen=True)
class Advice:
    """One remark: what was found, and what to do about it."""

    kind: Kind
    title: str
    text: str
    tasks: tuple[str, ...] = ()
    """The tasks that it is about."""


@dataclass(frozen=True)
class Ordering:
    """The tasks in an order in which similar ones are neighbours."""

    leaves: tuple[int, ...]
    """Indices of the tasks."""
    tree: Floats
    """`[K-1, 4]`, scipy's linkage matrix over 1 − cosine (average linkage); empty for one task."""


def ordering(relation: Relation) -> Ordering:
    """Hierarchical (average-linkage) ordering by cosine; tasks with a zero task vector count as unrelated."""
    count = len(relation.norms)
    if count < 2:
        return Ordering(tuple(range(count)), np.zeros((0, 4)))
    # Half a second that the first page need not wait for.
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    distances = squareform(_distances(relation), checks=False)
    tree = optimal_leaf_ordering(linkage(distances, "average"), distances)
    return Ordering(tuple(int(leaf) for leaf in leaves_list(tree)), tree)


def groups(relation: Relation) -> list[tuple[int, ...]]:
    """Tasks that belong together, at least two in a group: the tree cut at its widest gap.

    Empty where no gap is wide; groups that are hardly closer than all pairs are left out.
    """
    heights = ordering(relation).tree
    if len(heights) < 2:
        return []
    gaps = np.diff(heights[:, 2])
    cut = int(gaps.argmax())
    if gaps[cut] < GAP:
        return []
    count = len(relation.norms)
    members: dict[int, tuple[int, ...]] = {leaf: (leaf,) for leaf in range(count)}
    for number, (left, right, _height, _size) in enumerate(heights[: cut + 1]):
        members[count + number] = members.pop(int(left)) + members.pop(int(right))
    cosine = relation.cosine.numpy()
    everywhere = float(np.nanmean(_pairs(cosine)))
    found = [tuple(sorted(group)) for group in members.values() if len(group) > 1]
    return [group for group in found if np.nanmean(_pairs(cosine[np.ix_(group, group)])) >= CLOSER * everywhere]


def branch(similarity: Similarity) -> tuple[str, float, float] | None:
    """The block from which task vectors relate differently: its name, mean cosine before it, mean cosine from it on.

    The split in two segments that explains most of the variation over the transformer's blocks; None where it is below
    `STEP`. Embedding and output hold few tensors of other kinds and are no place to branch.
    """
    profile = [(name, mean) for name, mean in zip(*depth_profile(similarity), strict=True) if name.startswith("block ")]
    names, means = [name for name, _ in profile], [mean for _, mean in profile]
    best: tuple[str, float, float] | None = None
    strongest = 0.0
    for cut in range(1, len(names)):
        before, after = float(np.mean(means[:cut])), float(np.mean(means[cut:]))
        explained = (after - before) ** 2 * cut * (len(names) - cut)
        if abs(after - before) >= STEP and explained > strongest:
            strongest, best = explained, (names[cut], before, after)
    return best


def depth_profile(similarity: Similarity) -> tuple[list[str], list[float]]:
    """Groups in the order of depth with the mean cosine of all pairs in them; groups without a pair are left out."""
    names, means = [], []
    for name in by_depth(name for name in similarity.groups if name != ALL):
        values = _pairs(similarity.groups[name].cosine.numpy())
        if np.isfinite(values).any():
            names.append(name)
            means.append(float(np.nanmean(values)))
    return names, means


def advise(
    similarity: Similarity, titles: Mapping[str, str] | None = None, findings: Sequence[Finding] = ()
) -> list[Advice]:
    """Everything worth saying about these task vectors, most urgent first; `titles` are names for people.

    What is doubtful by `findings` comes first, and nothing is then called calm.
    """
    names = [(titles or {}).get(task) or task for task in similarity.tasks]
    if len(names) < 2:
        text = "There is only one expert; comparing needs at least two."
        return [Advice("calm", "Nothing to compare", text, similarity.tasks)]
    doubts = [
        Advice("doubt", DOUBTS[one.code], f"{one.text} {one.remedy}", (one.subject,))
        for one in findings
        if one.code in DOUBTS
    ]
    found = [*doubts, *_conflicts(similarity, names), *_groups(similarity, names), *_branches(similarity)]
    found += _lengths(similarity, names)
    if doubts:
        return found
    kinds = {advice.kind for advice in found}
    if "conflict" not in kinds and int((similarity.overall.norms > 0).sum()) > 1:
        found.append(_calm(similarity))
    if len(names) > 2 and not kinds & {"group", "branch"}:
        text = (
            "No tasks are clearly closer to each other than to the rest, and the experts are about equally similar in "
            "every block: merge all of them together, without groups or branches."
        )
        found.append(Advice("calm", "One group, no branch", text))
    return found


def _conflicts(similarity: Similarity, names: Sequence[str]) -> list[Advice]:
    cosine, conflict = similarity.overall.cosine.numpy(), similarity.overall.conflict.numpy()
    rows, columns = np.triu_indices(len(names), 1)
    pairs = [
        (float(cosine[i, j]), float(conflict[i, j]), int(i), int(j))
        for i, j in zip(rows, columns, strict=True)
        if cosine[i, j] < PULLING or conflict[i, j] > OPPOSED
    ]
    if not pairs:
        return []
    pairs.sort()
    told = ", ".join(
        f"{names[i]} and {names[j]} (cosine {_number(value)}, {100 * share:.0f} % opposite signs)"
        for value, share, i, j in pairs[:TOLD]
    )
    more = f", and {len(pairs) - TOLD} more pairs" if len(pairs) > TOLD else ""
    involved = dict.fromkeys(task for _, _, i, j in pairs for task in (similarity.tasks[i], similarity.tasks[j]))
    text = (
        f"{told}{more}: what helps one task partly undoes the other. Let a method learn λ layer by layer, resolve "
        "sign conflicts first (TIES, AdaMerging++), or merge one of the tasks separately."
    )
    title = "One pair of tasks conflicts" if len(pairs) == 1 else f"{len(pairs)} pairs of tasks conflict"
    return [Advice("conflict", title, text, tuple(involved))]


def _groups(similarity: Similarity, names: Sequence[str]) -> list[Advice]:
    found = groups(similarity.overall)
    if not found:
        return []
    cosine = similarity.overall.cosine.numpy()
    if len(found) == 1 and len(found[0]) == len(names):
        return []
    parts = []
    for group in found:
        inside = np.nanmean(_pairs(cosine[np.ix_(group, group)]))
        parts.append(f"{listed([names[i] for i in group])} (mean cosine {_number(float(inside))})")
    everywhere = float(np.nanmean(_pairs(cosine)))
    text = (
        f"{'; '.join(parts)}; the average over all pairs is {_number(everywhere)}. They share directions, so merging "
        "them with each other costs least. If one model for everything is not good enough, merge these first."
    )
    involved = tuple(similarity.tasks[i] for group in found for i in group)
    return [Advice("group", "These tasks belong together", text, involved)]


def _branches(similarity: Similarity) -> list[Advice]:
    found = branch(similarity)
    if found is None:
        return []
    name, before, after = found
    numbers = f"the mean cosine is {_number(before)} before {name} and {_number(after)} from there on"
    if before > after:
        text = (
            f"The experts changed in similar ways up to there: {numbers}. All tasks can share that part; keep the "
            "rest separate for each group of tasks, or at least let λ differ by layer there."
        )
        return [Advice("branch", f"Branch at {name}", text)]
    text = (
        f"The experts differ most near the input: {numbers}. Branching late would not separate them; use one λ per "
        "layer so that the early layers can be weighted on their own."
    )
    return [Advice("branch", f"The tasks differ before {name}", text)]


def _lengths(similarity: Similarity, names: Sequence[str]) -> list[Advice]:
    norms = similarity.overall.norms.numpy()
    median = float(np.median(norms))
    long = [i for i, norm in enumerate(norms) if median > 0 and norm > LONG * median]
    still = [i for i, norm in enumerate(norms) if norm == 0]
    found = []
    if long:
        told = listed([f"{names[i]} ({norms[i] / median:.1f} times the median)" for i in long])
        text = (
            f"The task {'vector' if len(long) == 1 else 'vectors'} of {told} would dominate a merge with one λ for "
            "all. Lower λ there, or let a method learn it."
        )
        found.append(Advice("length", "Unequal lengths", text, tuple(similarity.tasks[i] for i in long)))
    if still:
        told = listed([names[i] for i in still])
        text = f"{told}: the expert equals the base. Check that this is the right checkpoint."
        found.append(Advice("length", "A task vector is zero", text, tuple(similarity.tasks[i] for i in still)))
    return found


def _calm(similarity: Similarity) -> Advice:
    cosine = similarity.overall.cosine.numpy()
    highest = float(np.nanmax(_pairs(cosine)))
    mean = float(np.nanmean(_pairs(cosine)))
    text = (
        f"No two tasks conflict (mean cosine {_number(mean)}, at most {_number(highest)}): the experts mostly "
        "changed in different directions, so they can share one model. λ decides how much of each to use."
    )
    return Advice("calm", "No conflict", text)


def _distances(relation: Relation) -> Floats:
    cosine: Floats = np.nan_to_num(relation.cosine.numpy().astype(np.float64), nan=0.0)
    distances: Floats = np.clip(1 - (cosine + cosine.T) / 2, 0, 2)
    np.fill_diagonal(distances, 0)
    return distances


def _pairs(matrix: npt.NDArray[np.floating]) -> Floats:
    return matrix[np.triu_indices(len(matrix), 1)].astype(np.float64)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")
