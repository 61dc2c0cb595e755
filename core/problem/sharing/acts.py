"""What all processes do together with task vectors; each function runs in every one of them, on its own share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from core import objectives, paths
from core.problem.mapped import InMemory, Mapped
from core.problem.merged import Batch, Sums
from core.problem.packed import empty
from core.problem.problem import Problem
from core.problem.sharing.share import Share, act, parted
from core.problem.sharing.team import Form, Team, cuts, form_of, raw, size_of, unpacked
from core.problem.task_vectors import TaskVectors

Plan = Sequence[Sequence[tuple[str, Sequence[Form]]]]
"""Process -> tasks, each with the forms of its images and, where there is one, its target."""


@act
def hold(share: Share, *, number: int, form: str, mapped: bool) -> None:
    """Room for the own columns of all task vectors."""
    place = Mapped(paths.cache()) if mapped else InMemory()
    own, columns = share.tensors[share.team.rank], share.here.stop - share.here.start
    deltas = empty(place, len(share.tasks), columns, form, share.encoder.device)
    names, shapes = share.whole.names[own], share.whole.shapes[own]
    share.kept[number] = TaskVectors(share.tasks, names, shapes, share.origin, deltas, {}, memory=place)


@act
def fill(share: Share, *, number: int, row: int, dtype: str, whole: Tensor | None = None) -> None:
    """One task vector, which process 0 has just read as a `whole`."""
    vectors = share.kept[number]
    own = share.origin.new_empty(share.origin.shape, dtype=getattr(torch, dtype))
    vectors.deltas[row].copy_(share.team.scatter(own, share.columns, whole))
    vectors.passed(vectors.deltas[row])


@act
def begin(share: Share, *buffers: Tensor, fixed: Sequence[str], precision: str, micro_batch: int) -> None:
    """What a pass over images needs, but for heads; only the other processes call this and `take_heads`."""
    near = [tensor.to(share.encoder.device) for tensor in buffers]
    share.whole = replace(share.whole, fixed=dict(zip(fixed, near, strict=True)))
    share.problem = Problem(
        suite="",
        task_vectors=share.whole,
        encoder=share.encoder.with_precision(precision),
        heads=share.heads,
        load_images=lambda _task, _split: None,
        classes={},
        micro_batch=micro_batch,
    )


@act
def take_heads(share: Share, *heads: Tensor, tasks: Sequence[str]) -> None:
    """The heads of the next passes."""
    near = [head.to(share.encoder.device) for head in heads]
    share.told_problem.heads = share.heads = dict(zip(tasks, near, strict=True))


@act
def take_origin(share: Share, *, whole: Tensor | None = None) -> None:
    """What λ = 0 gives from now on."""
    share.origin = share.team.scatter(share.origin.new_empty(share.origin.shape), share.columns, whole)


@act
def combine(share: Share, rows: Tensor, *, number: int, row_of: Sequence[int], out: Tensor | None = None) -> None:
    """θ for λ `rows`, in everybody's memory."""
    out = share.passing.weights if out is None else out
    share.vectors(number).combine(rows, share.rows(row_of), out=out[share.here])
    share.team.all_gather(out, share.columns)


@act
def contract(share: Share, *, number: int, row_of: Sequence[int], rows: int, gradient: Tensor | None = None) -> Tensor:
    """The gradient of λ that the pass just made comes to; for process 0."""
    gradient = share.passing.gradient if gradient is None else gradient
    return share.team.total(share.vectors(number).contract(gradient[share.here], share.rows(row_of), rows))


@act
def gather(share: Share, *, number: int, row: int | None, whole: Tensor | None = None) -> None:
    """τ of one task, or the sum of all, in the base's precision, into the `whole` of process 0."""
    vectors = share.vectors(number)
    own = vectors.total() if row is None else vectors.row(row).to(vectors.origin)
    share.team.gather(own, share.columns, whole)
    vectors.passed(vectors.deltas if row is None else vectors.row(row))


@act
def choose(share: Share, *, number: int, tasks: Sequence[str], made: int) -> None:
    """The task vectors of some tasks, in that order."""
    share.kept[made] = share.kept[number].part(tasks)


@act
def run(share: Share, *, plan: Plan, objective: str, settings: Mapping[str, Any], fresh: bool) -> None:
    """A pass over images at θ: process 0 sends each of the others some tasks' batches, and has a pass of its own.

    `fresh`: everybody has θ already.
    """
    batches, passing = received(share.team, plan[share.team.rank]), share.passing
    if not fresh:
        share.team.broadcast(passing.weights)
        torch.autograd.graph.increment_version(passing.weights)
    sums = passing.run(batches, objectives.get(objective).tuned(**settings))
    join(share, sums, plan, passing.gradient)


def planned(batches: Sequence[Batch], processes: int) -> Plan:
    """Whole batches for each process, about as many images for each."""
    parts = parted([len(batch.images) for batch in batches], processes)
    return [
        [(batch.task, [form_of(tensor) for tensor in _tensors(batch)]) for batch in batches[part]] for part in parts
    ]


def sent(team: Team, batches: Sequence[Batch], plan: Plan) -> Sequence[Batch]:
    """Process 0's own batches, once the others have theirs."""
    begin = len(plan[0])
    for other, own in enumerate(plan[1:], 1):
        tensors = [raw(t.to(team.place)) for batch in batches[begin : begin + len(own)] for t in _tensors(batch)]
        team.send(torch.cat(tensors), other)
        begin += len(own)
    return batches[: len(plan[0])]


def received(team: Team, own: Sequence[tuple[str, Sequence[Form]]]) -> list[Batch]:
    """What `sent` has sent to this process."""
    forms = [form for _, forms in own for form in forms]
    tensors = iter(unpacked(team.receive(sum(map(size_of, forms))), forms))
    return [Batch(task, *(next(tensors) for _ in forms)) for task, forms in own]


def join(share: Share, sums: Mapping[str, Sums], plan: Plan, gradient: Tensor) -> dict[str, Sums]:
    """To each process its columns of the summed gradient, and to process 0 all tasks' sums."""
    share.team.reduce(gradient, share.columns)
    own = torch.cat([torch.cat([one.values, one.predictions]) for one in sums.values()])
    tasks = [[task for task, _ in part] for part in plan]
    sizes = [[2 + len(share.heads[task]) for task in part] for part in tasks]
    whole = own.new_empty(sum(map(sum, sizes)))
    share.team.gather(own, cuts(list(map(sum, sizes))), None if share.team.rank else whole)
    found = zip(chain(*tasks), whole.split(list(chain(*sizes))), strict=True)
    return {task: Sums(part[:2], part[2:]) for task, part in found}


def _tensors(batch: Batch) -> list[Tensor]:
    found = [batch.images] if batch.target is None else [batch.images, batch.target]
    return [tensor.contiguous() for tensor in found]
