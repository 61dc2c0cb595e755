"""Task vectors τ_k = θ_k − θ₀: matched by name, held as one matrix so that whole-vector methods need no copies."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from core.objectives import Objective
from core.problem.mapped import InMemory, Memory
from core.problem.packed import Matrix, Packed, empty, format_of, numbers, whole

CHUNK = 2**17
"""Columns converted at a time, so that narrow deltas are widened inside the processor's cache."""

WIDENED = 2**20
"""Numbers of packed task vectors widened at a time: with many rows, `CHUNK` columns leave the cache."""


@dataclass(frozen=True)
class TaskVectors:
    """The base and the task vectors of K experts, over the D floating-point parameters of the image encoder."""

    tasks: tuple[str, ...]
    names: tuple[str, ...]
    """Parameter tensors, by their open_clip names inside the image encoder, in the model's order."""
    shapes: tuple[tuple[int, ...], ...]
    origin: Tensor
    """θ₀ as one vector `[D]`, float32 (or float64)."""
    deltas: Matrix
    """τ as one matrix `[K, D]`; may be bfloat16 or packed integers to save memory."""
    fixed: Mapping[str, Tensor]
    """Buffers and integer tensors, which come from the base unchanged."""
    own: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    """Task -> buffers of its expert that differ from the base's (BatchNorm statistics); an expert keeps its own."""
    memory: Memory = field(default_factory=InMemory)
    """Where `deltas` lie."""

    @property
    def _sizes(self) -> list[int]:
        return [math.prod(shape) for shape in self.shapes]

    @property
    def spans(self) -> list[slice]:
        """Where each parameter tensor lies in the D columns."""
        ends = list(accumulate(self._sizes))
        return [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]

    @property
    def base(self) -> dict[str, Tensor]:
        """The base as named tensors, `fixed` included; views, not copies."""
        return self.named(self.origin)

    @property
    def written(self) -> torch.dtype:
        """The number format in which they are written: packed ones are rounded from the base's."""
        return self.origin.dtype if isinstance(self.deltas, Packed) else self.deltas.dtype

    @property
    def processes(self) -> int:
        """How many processes hold them together (`core.problem.sharing`)."""
        return 1

    def fill(self, row: int, parts: Iterable[Tensor]) -> None:
        """Write one task vector, tensor by tensor, each as a vector."""
        with whole(self.deltas[row], self.origin) as tau:
            for span, part in zip(self.spans, parts, strict=True):
                tau[span].copy_(part)
        self.passed(self.deltas[row])

    def delta(self, name: str) -> Tensor:
        """τ of one parameter tensor for all tasks, `[K, *shape]`; a view in the stored precision, a copy if packed."""
        at = self.names.index(name)
        return numbers(self.deltas[:, self.spans[at]]).view(len(self.tasks), *self.shapes[at])

    def row(self, at: int) -> Matrix:
        """τ of one task `[D]`, in the stored precision or that of the base."""
        return self.deltas[at]

    def expert(self, task: str) -> dict[str, Tensor]:
        """θ₀ + τ_k as named tensors (equal to the checkpoint up to the stored precision of τ)."""
        row = self.row(self.tasks.index(task))
        wide = row.to(self.origin)
        theta = torch.add(self.origin, wide, out=None if wide is row else wide)
        self.passed(row)
        return self.named(theta) | dict(self.own.get(task, {}))

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """A vector `[D]` as named tensors, `fixed` included; views, not copies."""
        parts = zip(self.names, self.spans, self.shapes, strict=True)
        return {name: vector[span].view(shape) for name, span, shape in parts} | dict(self.fixed)

    def flat(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Named tensors as one vector `[D]`; the inverse of `named`."""
        return torch.cat([weights[name].reshape(-1).to(self.origin) for name in self.names])

    def room(self, rows: int) -> Matrix:
        """A matrix for `rows` more task vectors where these lie and in their format, `[rows, D]`, to be filled."""
        return empty(self.memory, rows, self.deltas.shape[1], format_of(self.deltas), self.deltas.device)

    def part(self, tasks: Sequence[str]) -> TaskVectors:
        """The task vectors of some tasks, in that order; without a copy where they lie beside each other."""
        at = [self.tasks.index(task) for task in tasks]
        if at == list(range(at[0], at[0] + len(at))):
            return replace(self, tasks=tuple(tasks), deltas=self.deltas[at[0] : at[0] + len(at)])
        deltas = self.room(len(at))
        for row, source in zip(deltas, at, strict=True):
            self.passed(row.copy_(self.deltas[source]), row)
        return replace(self, tasks=tuple(tasks), deltas=deltas)

    def passed(self, *parts: Matrix) -> None:
        """Say that these parts of `deltas` (or of `room`) have been read and are not needed soon."""
        self.memory.passed(sum(part.nbytes for part in parts))

    def columns(self) -> Iterator[slice]:
        """All columns in pieces of at most `CHUNK`."""
        size = self.deltas.shape[1]
        for begin in range(0, size, CHUNK):
            part = slice(begin, min(begin + CHUNK, size))
            yield part
            self.passed(self.deltas[:, part])

    def total(self) -> Tensor:
        """Σ_k τ_k `[D]`, in the base's precision."""
        total = torch.empty_like(self.origin)
        for part in self.columns():
            torch.sum(self._wide(part), 0, out=total[part])
        return total

    def combine(self, rows: Tensor, row_of: Sequence[int], out: Tensor | None = None) -> Tensor:
        """θ₀ + Σ_k λ[g, k] τ_k as one vector `[D]`; `rows` is λ `[G, K]`, `row_of` the row of each parameter tensor."""
        out = torch.empty_like(self.origin) if out is None else out
        rows = rows.to(self.origin)
        if self._fused():
            from core.problem import kernels

            return kernels.combine(self.origin, self.deltas, rows, self._sizes, row_of, out)
        for at, part in self._pieces():
            torch.addmv(self.origin[part], self._wide(part).T, rows[row_of[at]], out=out[part])
        return out

    def contract(self, gradient: Tensor, row_of: Sequence[int], rows: int) -> Tensor:
        """⟨gradient, τ_k⟩ summed inside each group, `[rows, K]`: the exact gradient with respect to λ."""
        if self._fused():
            from core.problem import kernels

            return kernels.contract(gradient, self.deltas, self._sizes, row_of, rows)
        total = torch.zeros(rows, len(self.tasks), dtype=gradient.dtype, device=gradient.device)
        for at, part in self._pieces():
            total[row_of[at]] += torch.mv(self._wide(part), gradient[part])
        return total

    def spread(
        self, _heads: Mapping[str, Tensor], _weights: Tensor, batches: Sequence[Any], _objective: Objective
    ) -> tuple[Sequence[Any], Callable[[Tensor, dict[str, Any]], dict[str, Any]]]:
        """The batches of a pass that are this process's own, and what then makes its sums those of all tasks."""
        return batches, lambda _gradient, sums: sums

    def _pieces(self) -> Iterator[tuple[int, slice]]:
        """Index of the parameter tensor and columns, cut small only where deltas have to be widened on the CPU."""
        cut = self.deltas.dtype != self.origin.dtype and self.deltas.device.type == "cpu"
        size = CHUNK if cut else self.deltas.shape[1]
        size = min(size, WIDENED // len(self.tasks)) if isinstance(self.deltas, Packed) else size
        for at, span in enumerate(self.spans):
            for begin in range(span.start, span.stop, size):
                part = slice(begin, min(begin + size, span.stop))
                yield at, part
                self.passed(self.deltas[:, part])

    def _fused(self) -> bool:
        """Whether one kernel reads all: on CUDA, where Triton came with PyTorch (it does on Linux)."""
        dense = self.deltas.begin == 0 if isinstance(self.deltas, Packed) else self.deltas.stride(1) == 1
        return self.deltas.device.type == "cuda" and dense and importlib.util.find_spec("triton") is not None

    def _wide(self, part: slice) -> Tensor:
        return self.deltas[:, part].to(self.origin)
