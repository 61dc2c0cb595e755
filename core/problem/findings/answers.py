"""Doubts about what an expert answers on its own task: worse than its base, or just as its base."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from core import paths
from core.problem.findings import Code, Finding, Severity, leave_out
from core.remembered import keep, key, recall
from core.statistics import Evaluation

IMAGES = 64
"""Images of each task that base and expert are compared on."""
MOVED = 0.05
"""Relative change of the logits below which an expert answers as its base. Measured on the demo suite: 0.29 to 1.46 for
its experts (0.15 with only two classes), 0.07 to 0.27 for 30 % of their task vectors, at most 0.023 for 3 %."""
SAME = 0.95
"""Share of images that both have to call the same as well."""
CONFIDENCE = 0.995
"""Of the one-sided test that an expert is worse: a suite has up to 64 tasks."""


@dataclass(frozen=True)
class Compared:
    """Base and expert on the same images of a task."""

    images: int
    same: int
    """Images that both give the same class."""
    moved: float
    """How far apart their logits are, relative to the base's; both without what is the same for all classes."""
    lost: int | None
    """Images that only the base has right; None without labels."""
    won: int | None
    """Images that only the expert has right."""


def chosen(count: int) -> Tensor:
    """Which of so many images are compared: `IMAGES`, spread evenly."""
    return torch.linspace(0, count - 1, min(IMAGES, count)).long()


def compare(base: Tensor, expert: Tensor, labels: Tensor | None) -> Compared:
    """`base` and `expert` are logits `[N, classes]` of the same images."""
    centred = base - base.mean(1, keepdim=True)
    moved = (expert - expert.mean(1, keepdim=True) - centred).norm() / centred.norm().clamp_min(1e-12)
    one, other = base.argmax(1), expert.argmax(1)
    same = int((one == other).sum())
    if labels is None:
        return Compared(len(base), same, float(moved), None, None)
    before, after = one == labels, other == labels
    return Compared(len(base), same, float(moved), int((before & ~after).sum()), int((after & ~before).sum()))


def remembered(parts: Sequence[object], compute: Callable[[], Compared]) -> Compared:
    """What `compute` says about base, expert and task of these hashes; kept on disk, since looking takes a while."""
    file = paths.cache() / "answers" / f"{key([IMAGES, *parts])}.json"
    if (seen := recall(file, lambda told: Compared(**told))) is None:
        keep(file, asdict(seen := compute()))
    return seen


def found(task: str, seen: Compared, base: Evaluation | None = None, expert: Evaluation | None = None) -> list[Finding]:
    """What is doubtful about the answers; `base` and `expert` are their accuracies on more images, where known."""
    told = []
    if seen.moved <= MOVED and seen.same >= SAME * seen.images:
        told.append(
            Finding(
                Code.EXPERT_ANSWERS_AS_BASE,
                Severity.WARNING,
                task,
                f"The expert of `{task}` should answer differently from its base. Found the same class on {seen.same} "
                f"of {seen.images} images, and logits that changed by {100 * seen.moved:.1f} %: nothing to gain.",
                "Check that this is the right checkpoint and that it was trained, or leave the task out.",
                leave_out(task),
            )
        )
    if (words := _worse(seen, base, expert)) is not None:
        told.append(
            Finding(
                Code.EXPERT_WORSE_THAN_BASE,
                Severity.SEVERE,
                task,
                f"The expert of `{task}` should beat its base on its own task. Found {words}.",
                "Check its checkpoint, class names, templates and label order, or leave the task out.",
                leave_out(task),
            )
        )
    return told


def _worse(seen: Compared, base: Evaluation | None, expert: Evaluation | None) -> str | None:
    if base is not None and expert is not None and base.correct is not None and expert.correct is not None:
        # Which images they are is not known: as many answers changed as can have, which is the most noise there is.
        lost = min(base.correct, expert.total - expert.correct)
        won = min(expert.correct, base.total - base.correct)
        if certain(lost, won):
            return f"{_percent(expert.correct, expert.total)} against the base's {_percent(base.correct, base.total)}"
    if seen.lost is not None and seen.won is not None and certain(seen.lost, seen.won):
        return (
            f"{seen.lost} of {seen.images} images that only the base gets right, {seen.won} that only the expert does"
        )
    return None


def certain(lost: int, won: int) -> bool:
    """Whether `lost` exceeds `won` by more than chance does: McNemar's test (1947) with Edwards's correction."""
    return lost > won and (lost - won - 1) / math.sqrt(lost + won) > NormalDist().inv_cdf(CONFIDENCE)


def _percent(correct: int, total: int) -> str:
    return f"{100 * correct / total:.1f} %"
