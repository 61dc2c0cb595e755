"""Doubts about task vectors: nearly equal ones, long ones, those of another base. Read off a sample of each tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from core.problem.findings import SUITE, Code, Finding, Severity, leave_out

SAMPLE = 1024
"""Numbers of each tensor that are looked at, evenly spread."""
KIN = 0.5
"""Cosine between an expert's matrices and the base's below which it was tuned from another base. Measured: at least
0.986 for the demo suite's experts, 0.000 for independent weights and for the base with its neurons in another order,
0.5 for a task vector 1.7 times as long as the base."""
EQUAL = 0.95
"""Cosine between two task vectors above which they are nearly the same; 0.19 at most in the demo suite, 0.9999 for an
expert and itself rounded to bfloat16."""
SHARED = 0.8
"""Cosine that all pairs of at least three task vectors exceed only where another base is in all of them."""
LONG = 3.0
"""A task vector this many times as long as the median of the others; 1.5 at most in the demo suite."""


class VectorFindings:
    """Takes experts one after the other and holds their task vectors against each other."""

    def __init__(self, base: Mapping[str, Tensor], names: Sequence[str]) -> None:
        self._names = names
        self._origin = self.sample(base)
        taken = [len(_taken(base[name])) for name in names]
        each = [math.sqrt(base[name].numel() / max(count, 1)) for name, count in zip(names, taken, strict=True)]
        # With it, products of two samples estimate those of the whole vectors.
        self._weight = torch.tensor(each).repeat_interleave(torch.tensor(taken))
        # Scales of norms are left out: they are all about 1, in every base.
        own = torch.tensor([float(base[name].dim() > 1) for name in names])
        self._matrices = self._weight * own.repeat_interleave(torch.tensor(taken))
        self._vectors: dict[str, Tensor] = {}
        self._kinship: dict[str, float] = {}

    def sample(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Some numbers of each tensor as one float32 vector."""
        return torch.cat([_taken(tensors[name]).float() for name in self._names])

    def add(self, task: str, theta: Tensor) -> None:
        """The sample of an expert that fits the base."""
        self._kinship[task] = float(torch.cosine_similarity(theta * self._matrices, self._origin * self._matrices, 0))
        self._vectors[task] = (theta - self._origin) * self._weight

    def found(self) -> list[Finding]:
        """Everything that is doubtful about the experts so far."""
        strange = [task for task, kinship in self._kinship.items() if kinship < KIN]
        rest = [task for task in self._vectors if task not in strange]
        told = [self._of_another_base(task) for task in strange]
        if not rest:
            return told
        matrix = torch.stack([self._vectors[task] for task in rest])
        norms = matrix.norm(dim=1)
        cosine = ((matrix @ matrix.T) / norms[:, None] / norms).nan_to_num(0)
        pairs = {(i, j): float(cosine[i, j]) for j in range(len(rest)) for i in range(j)}
        if len(rest) > 2 and min(pairs.values()) > SHARED:
            return [*told, _all_alike(rest, min(pairs.values()))]
        told += [_alike(rest[i], rest[j], value) for (i, j), value in pairs.items() if value > EQUAL]
        return told + [found for at in range(len(rest)) if (found := _long(rest, norms.tolist(), at))]

    def _of_another_base(self, task: str) -> Finding:
        share = float(self._vectors[task].norm() / (self._origin * self._weight).norm())
        return Finding(
            Code.OTHER_BASE,
            Severity.SEVERE,
            task,
            f"The expert of `{task}` should be close to the base, as fine-tuned models are (cosine of their matrices "
            f"about 1). Found cosine {self._kinship[task]:.2f} and a task vector {share:.2g} times as long as the "
            "base: it was made from another base.",
            "Give an expert that was fine-tuned from this base, or leave the task out.",
            leave_out(task),
        )


def _taken(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1)[:: math.ceil(tensor.numel() / SAMPLE) or 1]


def _alike(one: str, other: str, cosine: float) -> Finding:
    return Finding(
        Code.EQUAL_EXPERTS,
        Severity.WARNING,
        other,
        f"The experts of `{one}` and `{other}` should differ. Found task vectors with cosine {cosine:.3f}: they are "
        "the same fine-tuned model, or two steps of one training run, so it counts twice in the merge.",
        "Give each task its own expert, or leave one of the tasks out.",
        leave_out(other),
        others=(one,),
    )


def _all_alike(tasks: Sequence[str], least: float) -> Finding:
    return Finding(
        Code.OTHER_BASE,
        Severity.SEVERE,
        SUITE,
        f"The task vectors of all {len(tasks)} experts should differ. Found a cosine of at least {least:.2f} between "
        "any two: what they share is the difference between this base and the one they were fine-tuned from.",
        "Give the base that the experts were fine-tuned from.",
    )


def _long(tasks: Sequence[str], norms: Sequence[float], at: int) -> Finding | None:
    others = sorted([*norms[:at], *norms[at + 1 :]])
    if not others:
        return None
    median = (others[len(others) // 2] + others[(len(others) - 1) // 2]) / 2
    if not 0 < LONG * median < norms[at]:
        return None
    return Finding(
        Code.LONG_TASK_VECTOR,
        Severity.WARNING,
        tasks[at],
        f"The task vector of `{tasks[at]}` should be about as long as the others (median ‖τ‖ {median:.3g}). "
        f"Found {norms[at]:.3g}, {norms[at] / median:.1f} times as long: with one λ for all, it drowns out the others.",
        "Check that its checkpoint is the right one and was not trained too long, or learn λ, or leave the task out.",
        leave_out(tasks[at]),
    )
