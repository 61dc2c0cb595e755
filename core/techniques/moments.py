"""Second moments of what flows into the linear maps, and the least-squares problem that RegMean solves with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

import torch
from torch import Tensor

from core.problem.method import Need
from core.problem.problem import Problem
from core.settings import MethodSettings, setting
from core.tasks import Stream
from core.techniques.linear_maps import watch
from core.techniques.tensorwise import Staged

RIDGE = 1e-9
"""Added to each task's moments, relative to their mean diagonal: unused inputs take the mean of the experts."""


class StatisticsSettings(MethodSettings):
    """Settings of methods that look at a fixed number of unlabelled images of each task."""

    samples: int = setting(256, "How many images of each task to use.", source="FusionBench", ge=1, le=1_000_000)
    adapt_on: Literal["test", "held-out", "train"] = setting(
        "held-out",
        "The split whose images are used; accuracy is always reported on test images.",
        source="Mergescope; the papers take training images",
    )


T = TypeVar("T", bound=StatisticsSettings)


def chosen(problem: Problem, task: str, settings: StatisticsSettings) -> tuple[Tensor, Tensor | None]:
    """Pixels uint8 `[N, H, W, 3]` of a task's images, drawn by seed and name, and their labels where known."""
    images = problem.split(task, settings.adapt_on)
    at = Stream(task, len(images), settings.samples, settings.seed).next()
    return images.pixels[at], None if images.labels is None else images.labels[at]


class Statistical(Staged[T]):
    """A method that looks at a fixed number of unlabelled images of each task."""

    needs = Need.UNLABELLED

    def samples(self, problem: Problem, settings: T) -> int:
        return sum(min(settings.samples, len(problem.split(task, settings.adapt_on))) for task in problem.tasks)


def moments(problem: Problem, weights: Mapping[str, Tensor], images: Tensor, wanted: set[str]) -> dict[str, Tensor]:
    """XᵀX / rows `[in, in]` of the inputs of the wanted linear maps; rows are the tokens of all images."""

    def run(size: int) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        rows: dict[str, int] = {}

        def note(name: str, x: Tensor) -> None:
            sums[name] = sums[name].addmm_(x.T, x) if name in sums else x.T @ x
            rows[name] = rows.get(name, 0) + len(x)

        for part in images.split(size):
            problem.tick()
            watch(problem, weights, part, wanted, note)
        return {name: total / rows[name] for name, total in sums.items()}

    return problem.within_memory(len(images), run)


class RegMeanSystem:
    """argmin_W Σ_k tr((W − W_k) G_k (W − W_k)ᵀ), summed up task by task in float64.

    RegMean (Jin et al., ICLR 2023), equation 2, for the task vectors: W − W₀ = (Σ_k τ_k G_k)(Σ_k G_k)⁻¹.
    """

    def __init__(self) -> None:
        self._left: Tensor | None = None
        self._right: Tensor | None = None

    def add(self, delta: Tensor, gram: Tensor, diagonal: float) -> None:
        """One task: τ `[out, in]`, second moments `[in, in]`; off-diagonal moments are multiplied with `diagonal`."""
        delta, gram = precise(delta), precise(gram)
        gram = gram * diagonal + torch.diag(gram.diagonal() * (1 - diagonal))
        gram.diagonal().add_(RIDGE * gram.diagonal().mean() + torch.finfo(gram.dtype).tiny)
        self._left = gram if self._left is None else self._left + gram
        self._right = delta @ gram if self._right is None else self._right + delta @ gram

    def solve(self) -> Tensor:
        """The merged task vector `[out, in]`, float64."""
        assert self._left is not None
        assert self._right is not None
        solution: Tensor = torch.linalg.solve(self._left, self._right, left=False)
        return solution


def precise(tensor: Tensor) -> Tensor:
    """In float64; on the CPU where the device is MPS, which has none."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()
