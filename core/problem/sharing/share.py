"""What one process holds of a merge, and how process 0 tells the others what to do with theirs."""

from __future__ import annotations

import importlib
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, count, pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor

from core.encoders.encoder import Encoder
from core.encoders.models import Architecture
from core.errors import BadInput
from core.problem.merged import EncoderGradient
from core.problem.problem import Problem
from core.problem.sharing.team import Team, Told
from core.problem.task_vectors import TaskVectors

A = TypeVar("A", bound=Callable[..., Any])
_ACTS: dict[str, Callable[..., Any]] = {}


def act(function: A) -> A:
    """Marks what process 0 may tell the others: it is called with their share, tensors and plain arguments."""
    _ACTS[f"{function.__module__}:{function.__name__}"] = function
    return function


def parted(sizes: Sequence[int], parts: int) -> list[slice]:
    """Cuts a row of things into so many parts of about the same size, none of them empty."""
    ends, cuts = list(accumulate(sizes)), [0]
    for part in range(1, parts):
        wanted = ends[-1] * part / parts
        at = min(range(len(sizes)), key=lambda i: abs(ends[i] - wanted)) + 1
        cuts.append(min(max(at, cuts[-1] + 1), len(sizes) - parts + part))
    return [slice(begin, end) for begin, end in zip(cuts, [*cuts[1:], len(sizes)], strict=True)]


def whole_blocks(sizes: Sequence[int], block: int) -> list[slice]:
    """Cuts a row of things wherever what came before fills whole blocks; what comes last may leave one unfilled."""
    ends = [at for at, end in enumerate(accumulate(sizes), 1) if end % block == 0 or at == len(sizes)]
    return [slice(begin, end) for begin, end in pairwise([0, *ends])]


class Number:
    """Names something that every process keeps its share of, for as long as process 0 has use for it."""

    def __init__(self, value: int) -> None:
        self.value = value


class Share:
    """Some parameter tensors of the task vectors, all of their columns, and what is made of these.

    Raises `BadInput` where there are fewer tensors than processes.
    """

    def __init__(self, team: Team, encoder: Encoder, tasks: Sequence[str], exact: torch.dtype, block: int = 1) -> None:
        """`block`: columns that have to stay together, as they have one scale."""
        self.team, self.encoder, self.tasks = team, encoder, tuple(tasks)
        names, shapes = tuple(encoder.parameter_shapes), tuple(encoder.parameter_shapes.values())
        sizes = [math.prod(shape) for shape in shapes]
        together = whole_blocks(sizes, block)
        if len(together) < team.size:
            what = f"parts of whole blocks of {block} columns" if block > 1 else "parameter tensors"
            raise BadInput(f"`--processes` should be at most {len(together)}, the number of {what}. Found {team.size}.")
        nothing = torch.zeros((), dtype=exact, device=encoder.device).expand(sum(sizes))
        self.whole = TaskVectors(self.tasks, names, shapes, nothing, nothing.expand(len(tasks), -1), {})
        """All parameter tensors, without numbers."""
        parts = parted([sum(sizes[some]) for some in together], team.size)
        self.tensors = [slice(together[part.start].start, together[part.stop - 1].stop) for part in parts]
        """Which of them each process holds."""
        spans = self.whole.spans
        self.columns = [slice(spans[own.start].start, spans[own.stop - 1].stop) for own in self.tensors]
        self.here = self.columns[team.rank]
        self.origin = nothing[self.here]
        """The own columns of the origin that process 0 told last."""
        self.kept: dict[int, Any] = {}
        """Number -> task vectors over the own parameter tensors, and what is made of them."""
        self.problem: Problem | None = None
        """Of the other processes: what images are passed with, once everything is loaded."""
        self.heads: Mapping[str, Tensor] = {}
        self.told: Tensor | None = None
        """Of process 0: the origin whose columns all processes have."""
        self.theta: tuple[weakref.ref[Tensor], int] | None = None
        """Of process 0: θ that all processes have, and its version."""
        self.gradient: weakref.ref[Tensor] | None = None
        """Of process 0: the gradient of which every process has the sum of its columns."""
        self._numbers, self._dropped = count(), list[int]()
        self._pass: EncoderGradient | None = None

    def vectors(self, number: int) -> TaskVectors:
        """Task vectors over the parameter tensors of this process, as if there were no others."""
        kept: TaskVectors = self.kept[number]
        return replace(kept, origin=self.origin)

    def rows(self, row_of: Sequence[int]) -> Sequence[int]:
        """The rows of λ of the parameter tensors of this process."""
        return row_of[self.tensors[self.team.rank]]

    def number(self) -> Number:
        """A new one; what is kept under it is let go of some time after process 0 has."""
        made = Number(next(self._numbers))
        weakref.finalize(made, self._dropped.append, made.value)
        return made

    def tell(self, what: Callable[..., Any], *tensors: Tensor, **arguments: Any) -> None:
        """Let the other processes do an act; this one is expected to do its part of it next."""
        dropped = [self._dropped.pop() for _ in range(len(self._dropped))]
        self.drop(dropped)
        self.team.tell(Told(f"{what.__module__}:{what.__name__}", arguments, list(tensors), dropped))

    def drop(self, numbers: Sequence[int]) -> None:
        """Let go of what process 0 has no use for."""
        for number in numbers:
            self.kept.pop(number, None)

    @property
    def passing(self) -> EncoderGradient:
        """The pass of a process that does what it is told; made when first needed, as it takes twice the encoder."""
        self._pass = self._pass or EncoderGradient(self.told_problem, self.whole)
        return self._pass

    @property
    def told_problem(self) -> Problem:
        """The problem, as far as process 0 has told it."""
        assert self.problem is not None
        return self.problem


def follow(team: Team) -> None:
    """Do what process 0 tells, until it says that there is no more."""
    first = team.listen()
    if not first.act:
        return
    arch: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in first.arguments["arch"].items()
    }
    encoder = Encoder(Architecture(**arch), team.device, "float32")
    how = first.arguments
    share = Share(team, encoder, how["tasks"], getattr(torch, how["exact"]), how["block"])
    while (told := team.listen()).act:
        share.drop(told.dropped)
        if told.act not in _ACTS:
            importlib.import_module(told.act.partition(":")[0])
        _ACTS[told.act](share, *told.tensors, **told.arguments)
