"""A loaded suite on its way to workers: numbers as NumPy arrays, which Ray keeps once per machine and maps there."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import paths
from core.encoders.encoder import Encoder, micro_batch_for
from core.encoders.precision import choose_device, choose_precision
from core.problem.packed import Packed
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.tasks import Images

_PLAIN = ("suite", "classes", "hashes", "content", "stated", "altered", "data", "findings", "images_from")


@dataclass(frozen=True)
class Numbers:
    """A tensor as an array of whatever NumPy knows: it has no bfloat16."""

    array: np.ndarray
    dtype: torch.dtype

    @staticmethod
    def of(tensor: Tensor) -> Numbers:
        """Those of a tensor, without a copy where it is on the CPU."""
        tensor = tensor.detach().cpu()
        known = tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
        return Numbers(known.numpy(), tensor.dtype)

    def tensor(self) -> Tensor:
        """The tensor again, on the memory of the array."""
        with warnings.catch_warnings():
            # What Ray maps can't be written to, and nothing here writes to what it is given.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
            return torch.from_numpy(self.array).view(self.dtype)


@dataclass(frozen=True)
class Parcel:
    """A problem without its images."""

    plain: Mapping[str, Any]
    arch: Any
    vectors: TaskVectors
    """Without its tensors."""
    origin: Numbers
    deltas: tuple[Numbers, ...]
    """The matrix, or codes and scales of one that is packed."""
    heads: Mapping[str, Numbers]
    fixed: Mapping[str, Numbers]
    own: Mapping[str, Mapping[str, Numbers]]
    precision: str
    device: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells parcels apart."""

    @staticmethod
    def of(problem: Problem, device: str, precision: str) -> Parcel:
        """A loaded problem, to be computed on another device and in another precision."""
        vectors, nothing = problem.task_vectors, torch.empty(0)
        deltas = vectors.deltas
        return Parcel(
            {name: getattr(problem, name) for name in _PLAIN},
            problem.encoder.arch,
            TaskVectors(vectors.tasks, vectors.names, vectors.shapes, nothing, _without(deltas), {}),
            Numbers.of(vectors.origin),
            tuple(map(Numbers.of, (deltas.codes, deltas.scales) if isinstance(deltas, Packed) else (deltas,))),
            _packed(problem.heads),
            _packed(vectors.fixed),
            {task: _packed(buffers) for task, buffers in vectors.own.items()},
            precision,
            device,
        )

    def problem(self, load_images: Callable[[str, str], Images | None]) -> Problem:
        """The problem on this machine; an `auto` precision and the micro-batch are what suits it."""
        device = choose_device(self.device)
        frame, numbers = self.vectors.deltas, [one.tensor().to(device) for one in self.deltas]
        vectors = replace(
            self.vectors,
            origin=self.origin.tensor().to(device),
            deltas=replace(frame, codes=numbers[0], scales=numbers[1]) if isinstance(frame, Packed) else numbers[0],
            fixed=_unpacked(self.fixed, device),
            own={task: _unpacked(buffers, device) for task, buffers in self.own.items()},
        )
        found = load_images(vectors.tasks[0], "test")
        assert found is not None  # Every task has test images.
        encoder, sample = Encoder(self.arch, device, "float32"), torch.as_tensor(found.pixels[:8])
        chosen = choose_precision(self.precision, encoder, vectors.base, sample, paths.cache())
        encoder = encoder.with_precision(chosen.name)
        return Problem(
            task_vectors=vectors,
            encoder=encoder,
            heads=_unpacked(self.heads, device),
            load_images=load_images,
            micro_batch=micro_batch_for(encoder, vectors.base, sample),
            precision_reason=chosen.reason,
            **self.plain,
        )


@dataclass(frozen=True)
class Pictures:
    """The images of one split of a task."""

    pixels: Numbers
    labels: Numbers | None
    skipped: int

    @staticmethod
    def of(images: Images) -> Pictures:
        """All of them in memory."""
        pixels = Numbers(np.ascontiguousarray(images.pixels.numpy()), torch.uint8)
        return Pictures(pixels, None if images.labels is None else Numbers.of(images.labels), images.skipped)

    def images(self) -> Images:
        """The images again, on the same memory."""
        return Images(self.pixels.tensor(), None if self.labels is None else self.labels.tensor(), self.skipped)


def _without(deltas: Tensor | Packed) -> Tensor | Packed:
    nothing = torch.empty(0)
    return replace(deltas, codes=nothing, scales=nothing) if isinstance(deltas, Packed) else nothing


def _packed(tensors: Mapping[str, Tensor]) -> dict[str, Numbers]:
    return {name: Numbers.of(tensor) for name, tensor in tensors.items()}


def _unpacked(tensors: Mapping[str, Numbers], device: torch.device) -> dict[str, Tensor]:
    return {name: numbers.tensor().to(device) for name, numbers in tensors.items()}
