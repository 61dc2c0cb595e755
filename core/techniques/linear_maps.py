"""The linear maps of an image encoder and what flows into them, found by watching a forward pass.

Every product of activations with a whole parameter matrix counts: linear layers, the input and output projections of
attention, and CLIP's final projection, in whatever module they sit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from core.problem.problem import Problem

Note = Callable[[str, Tensor], None]
"""Gets the name of a linear map and its input `[rows, in]`."""

_PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default)


@dataclass(frozen=True)
class LinearMap:
    """One parameter tensor that activations are multiplied with."""

    name: str
    transposed: bool
    """Whether it is stored as `[in, out]`, as CLIP's projection, instead of `[out, in]`."""

    def rows(self, weight: Tensor) -> Tensor:
        """The matrix `[..., in, out]` or `[..., out, in]` as `[..., out, in]`; a view. Its own inverse."""
        return weight.mT if self.transposed else weight


def find(problem: Problem) -> list[LinearMap]:
    """All linear maps of the encoder, in the order in which they are used."""
    found: dict[str, LinearMap] = {}
    task = problem.tasks[0]
    with _Watch(problem.task_vectors.base, lambda one, _x: found.setdefault(one.name, one), None):
        _forward(problem, problem.task_vectors.base, problem.images(task)[:1])
    return list(found.values())


def watch(problem: Problem, weights: Mapping[str, Tensor], images: Tensor, wanted: set[str], note: Note) -> None:
    """Hand the inputs of the `wanted` linear maps to `note`; the pass ends once all have been seen.

    `images` is one micro-batch, uint8 `[N, H, W, 3]`.
    """
    try:
        with _Watch(weights, lambda one, x: note(one.name, x), wanted):
            _forward(problem, weights, images)
    except _Enough:
        pass


class _Enough(Exception):
    pass


class _Watch(TorchDispatchMode):
    def __init__(
        self, weights: Mapping[str, Tensor], note: Callable[[LinearMap, Tensor], Any], wanted: set[str] | None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self._names = {w.data_ptr(): (name, w.shape) for name, w in weights.items() if w.dim() == 2}
        self._note, self._missing = note, None if wanted is None else set(wanted)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _PRODUCTS:
            self._look(args[-2], args[-1])
        elif func is torch.ops.aten.linear.default:  # Where a device has a kernel of its own for it.
            self._look(args[0], args[1].mT)
        result = func(*args, **(kwargs or {}))
        if self._missing is not None and not self._missing:
            raise _Enough
        return result

    def _look(self, x: Tensor, matrix: Tensor) -> None:
        name, shape = self._names.get(matrix.data_ptr(), ("", None))
        if (
            shape is None
            or {*matrix.shape[-2:]} != {*shape}
            or (self._missing is not None and name not in self._missing)
        ):
            return
        stored_as_used = matrix.stride(-1) == 1 and matrix.shape[-2:] == shape
        self._note(LinearMap(name, transposed=stored_as_used), x.reshape(-1, x.shape[-1]))
        if self._missing is not None:
            self._missing.remove(name)


@torch.no_grad()
def _forward(problem: Problem, weights: Mapping[str, Tensor], images: Tensor) -> None:
    # In the weights' own precision: autocast would multiply with copies, and statistics deserve the digits.
    encoder = problem.encoder
    encoder = encoder.with_precision("float32") if encoder.precision == "bfloat16" else encoder
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # It computes attention in one kernel, projections included.
    try:
        encoder.features(weights, encoder.prepare(images))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
