"""Task vectors of which this process, the first, holds only some columns; they are used as if it held all of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from core.encoders.encoder import Encoder
from core.objectives import Objective
from core.problem.merged import Batch, Sums
from core.problem.packed import BLOCK, Packed, format_of
from core.problem.problem import Problem
from core.problem.sharing import acts
from core.problem.sharing.share import Number, Share
from core.problem.sharing.team import Team, Told
from core.problem.task_vectors import TaskVectors


@dataclass(frozen=True, kw_only=True)
class SharedVectors(TaskVectors):
    """`deltas` has the shape and format of τ but no numbers: whatever would read them there fails."""

    share: Share
    number: Number
    """Under which every process keeps its columns."""

    @staticmethod
    def of(empty: TaskVectors, encoder: Encoder, team: Team) -> SharedVectors:
        """Room for these task vectors, whose `deltas` are on no device, in all processes of a team."""
        arch = {name: value for name, value in asdict(encoder.arch).items() if name != "tokenizer"}
        block = BLOCK if isinstance(empty.deltas, Packed) else 1
        share = Share(team, encoder, empty.tasks, empty.origin.dtype, block)
        how = {"arch": arch, "tasks": empty.tasks, "exact": _name(empty.origin.dtype), "block": block}
        team.tell(Told("share", how, [], []))
        made = SharedVectors(**_fields(empty), share=share, number=share.number())
        made._all(acts.hold, form=format_of(empty.deltas), mapped=empty.memory.mapped)
        return made

    def begin(self, problem: Problem) -> None:
        """Everything is loaded: images can be passed in this precision."""
        how = {"fixed": list(self.fixed), "precision": problem.precision, "micro_batch": problem.micro_batch}
        self.share.tell(acts.begin, *self.fixed.values(), **how)

    @property
    def here(self) -> TaskVectors:
        """Those over the parameter tensors of this process alone."""
        return self.share.vectors(self.number.value)

    @property
    def processes(self) -> int:
        return self.share.team.size

    def derived(self, act: Callable[..., Any], *tensors: Tensor, **arguments: Any) -> SharedVectors:
        """What every process makes of its own columns, under the number `made`."""
        number = self.share.number()
        self._all(act, *tensors, made=number.value, **arguments)
        return replace(self, number=number)

    def fill(self, row: int, parts: Iterable[Tensor]) -> None:
        whole = torch.empty_like(self.origin, dtype=self.written)
        for span, part in zip(self.spans, parts, strict=True):
            whole[span].copy_(part)
        self._all(acts.fill, row=row, dtype=_name(whole.dtype), here={"whole": whole})

    def row(self, at: int) -> Tensor:
        return self._gathered(row=at)

    def total(self) -> Tensor:
        return self._gathered(row=None)

    def _gathered(self, row: int | None) -> Tensor:
        whole = torch.empty_like(self.origin)
        self._all(acts.gather, row=row, here={"whole": whole})
        return whole

    def part(self, tasks: Sequence[str]) -> SharedVectors:
        made = self.derived(acts.choose, tasks=list(tasks))
        return replace(made, tasks=tuple(tasks), deltas=self.deltas[: len(tasks)])

    def combine(self, rows: Tensor, row_of: Sequence[int], out: Tensor | None = None) -> Tensor:
        return self.merged(acts.combine, rows.to(self.origin), out=out, row_of=list(row_of))

    def merged(self, act: Callable[..., Any], *tensors: Tensor, out: Tensor | None, **told: Any) -> Tensor:
        """θ `[D]` over this origin, of which an act gives every process its columns first and then all of them."""
        out = torch.empty_like(self.origin) if out is None else out
        if self.share.told is not self.origin:
            self.share.tell(acts.take_origin)
            acts.take_origin(self.share, whole=self.origin)
            self.share.told = self.origin
        self._all(act, *tensors, here={"out": out}, **told)
        self.share.theta = weakref.ref(out), out._version
        return out

    def contract(self, gradient: Tensor, row_of: Sequence[int], rows: int) -> Tensor:
        found: Tensor = self.contracted(acts.contract, gradient=gradient, row_of=list(row_of), rows=rows)
        return found

    def contracted(self, act: Callable[..., Any], *tensors: Tensor, gradient: Tensor, **told: Any) -> Any:
        """What an act makes of every process's columns of the gradient."""
        if self.share.gradient is None or self.share.gradient() is not gradient:
            raise RuntimeError("`gradient` should be that of the latest pass, of which every process has its columns.")
        return self._all(act, *tensors, here={"gradient": gradient}, **told)

    def spread(
        self, heads: Mapping[str, Tensor], weights: Tensor, batches: Sequence[Batch], objective: Objective
    ) -> tuple[Sequence[Batch], Callable[[Tensor, dict[str, Sums]], dict[str, Sums]]]:
        share, plan = self.share, acts.planned(batches, self.share.team.size)
        if share.heads is not heads:
            share.tell(acts.take_heads, *heads.values(), tasks=list(heads))
            share.heads = heads
        theta, version = share.theta or (None, 0)
        fresh = theta is not None and theta() is weights and version == weights._version
        settings = objective.settings.model_dump(mode="json")
        share.tell(acts.run, plan=plan, objective=objective.name, settings=settings, fresh=fresh)
        own = acts.sent(share.team, batches, plan)
        if not fresh:
            share.team.broadcast(weights)

        def joined(gradient: Tensor, sums: dict[str, Sums]) -> dict[str, Sums]:
            found = acts.join(share, sums, plan, gradient)
            share.gradient = weakref.ref(gradient)
            return found

        return own, joined

    def _all(self, act: Callable[..., Any], *tensors: Tensor, here: dict[str, Any] | None = None, **told: Any) -> Any:
        """An act of all processes; `here` is for this one alone."""
        self.tell(act, *tensors, **told)
        return act(self.share, *tensors, number=self.number.value, **told, **(here or {}))

    def tell(self, act: Callable[..., Any], *tensors: Tensor, **told: Any) -> None:
        """Let the other processes do an act to these task vectors; this one does its part of it next."""
        self.share.tell(act, *tensors, number=self.number.value, **told)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _fields(vectors: TaskVectors) -> dict[str, Any]:
    return {one.name: getattr(vectors, one.name) for one in fields(vectors)}
