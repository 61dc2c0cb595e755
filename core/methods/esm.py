"""ESM: what each expert changes in its layers' outputs, made orthogonal to what the others change."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence

import torch
from torch import Tensor

from core.methods import tsv_m
from core.problem.grouping import block_of
from core.problem.method import Outcome, Problem
from core.problem.packed import numbers
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings, scaled
from core.techniques.linear_maps import LinearMap, find
from core.techniques.moments import Statistical, StatisticsSettings, chosen, moments, precise
from core.techniques.spectral import svd

OUTPUTS = ("out_proj.weight", "attn.proj.weight")
"""Ends of the names of attention's output projections, which are merged as TSV-Merge does it."""
Essentials = Sequence[tuple[Tensor, Tensor]]
"""Task -> principal directions `[out, q]` of what its layer's outputs change by, and their energies `[q]`."""


class EsmSettings(DepthSettings, StatisticsSettings):
    """Settings of ESM."""

    samples: int = other_default(StatisticsSettings, "samples", 32, source="ESM")
    scale: float = other_default(
        DepthSettings, "scale", 1.0, "α: weight of the merged task vector.",
        source="Mergescope; the authors choose it on validation images",
    )  # fmt: skip
    polarise: float = setting(
        2.0, "Exponent of the relative lengths by which tasks, input dimensions and layers are weighted; 0: all alike.",
        source="ESM", ge=0, le=8,
    )  # fmt: skip
    energy_power: float = setting(
        0.15, "Exponent of a direction's relative energy by which it is weighted; 0: all alike.",
        source="the authors' code; the CVPR paper: 0", ge=0, le=8,
    )  # fmt: skip


class Esm(Statistical[EsmSettings]):
    """Δ = 2·s̄(P)·s̄(A)·polar(P)·polar(A), P = [P_1 … P_K] the main directions of τ_k X_kᵀ, A the stacked P_kᵀ τ_k."""

    title = "ESM"
    paper = (
        "Model Merging in the Essential Subspace (Li et al., CVPR 2026), after the authors' code for ViT, which also "
        "weights directions by their energy, as their extended paper does. X_k are the inputs of the layer in expert "
        "k, ⌊out/K⌋ directions of each task are kept, and s̄ is the mean singular value. As in the code, this is done "
        "for the input projections of attention and both layers of the MLP; other matrices are merged as TSV-Merge "
        "does it, all other tensors take the mean of τ. Directions are found from second moments, and those without "
        "energy left out; the code fills them up. The authors take test images, and choose α on validation images."
    )
    summary = (
        "Looks at a few images of each task to find the directions in which an expert changes the outputs of its "
        "layers, keeps the main ones and makes those of different experts orthogonal."
    )
    cost = (
        "One forward pass over 32 images of each task and K eigenvalue problems per matrix: minutes on a CPU for "
        "ViT-B/32."
    )
    Settings = EsmSettings

    def work(self, problem: Problem, settings: EsmSettings) -> Generator[float, None, Outcome]:
        vectors, maps = problem.task_vectors, {one.name: one for one in find(problem)}
        maps = {n: one for n, one in maps.items() if block_of(n).startswith("block ") and not n.endswith(OUTPUTS)}
        base, spans = vectors.base, dict(zip(vectors.names, vectors.spans, strict=True))
        essentials: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in maps}
        for row, task in enumerate(vectors.tasks):
            images, _ = chosen(problem, task, settings)
            grams = moments(problem, vectors.expert(task), images, set(maps))
            for name, one in maps.items():
                problem.tick()
                delta = vectors.deltas[row, spans[name]]
                tau = one.rows(numbers(delta).to(vectors.origin).view_as(base[name]))
                vectors.passed(delta)
                essentials[name].append(principal(tau, grams[name], max(1, len(tau) // len(vectors.tasks))))
            yield 0.8 * (row + 1) / len(vectors.tasks)
        merged = torch.empty_like(vectors.origin)
        for name, span in spans.items():
            problem.tick()
            merged[span] = _merge(problem, maps, essentials, settings, name).reshape(-1).to(merged)
        for span, factor in _layers(problem, merged, settings.polarise):
            merged[span] *= factor
        return scaled(problem, merged, settings)


def _merge(
    problem: Problem, maps: Mapping[str, LinearMap], essentials: Mapping[str, Essentials], settings: EsmSettings,
    name: str,
) -> Tensor:  # fmt: skip
    vectors = problem.task_vectors
    delta = vectors.delta(name).to(vectors.origin)
    vectors.passed(vectors.deltas[:, vectors.spans[vectors.names.index(name)]])
    if name in maps:
        one = maps[name]
        return one.rows(merge(one.rows(delta), essentials[name], settings.polarise, settings.energy_power))
    return tsv_m.merge(delta) if delta.dim() == 3 else delta.mean(0)


def principal(tau: Tensor, gram: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Of τ `[out, in]` and the inputs' second moments `[in, in]` the outputs' main directions, at most so many."""
    eps = torch.finfo(tau.dtype).eps
    tau, gram = precise(tau), precise(gram)
    if len(tau) > len(gram):  # The smaller of two problems with the same eigenvalues.
        values, vectors = torch.linalg.eigh(gram)
        root = vectors * values.clamp(min=0).sqrt()
        image = tau @ root
        energies, inside = torch.linalg.eigh(image.T @ image)
        used = energies > 10 * eps * energies[-1]
        energies, directions = energies[used], image @ inside[:, used] / energies[used].sqrt()
    else:
        energies, directions = torch.linalg.eigh(tau @ gram @ tau.T)
        used = energies > 10 * eps * energies[-1]
        energies, directions = energies[used], directions[:, used]
    return directions.flip(1)[:, :count], energies.flip(0)[:count]


def merge(delta: Tensor, essentials: Essentials, polarise: float, energy_power: float) -> Tensor:
    """τ `[K, out, in]` -> Δ `[out, in]`, float64."""
    eps, delta = torch.finfo(delta.dtype).eps, precise(delta)
    lengths = delta.flatten(1).norm(dim=1)
    left, right = [], []
    for tau, length, (directions, energies) in zip(delta, lengths, essentials, strict=True):
        if len(energies):
            weights = (energies / energies.mean()) ** energy_power
            weights = weights / weights.mean()
            left.append(directions * weights)
            right.append(weights[:, None] * (directions.T @ tau) * (length / lengths.mean()) ** polarise)
    if not left:
        return torch.zeros_like(delta[0])
    coordinates = torch.cat(right)
    columns = coordinates.norm(dim=0)
    coordinates = coordinates * (columns / columns.mean()) ** polarise
    return 2 * _even(torch.cat(left, 1), eps) @ _even(coordinates, eps)


def _even(matrix: Tensor, eps: float) -> Tensor:
    """The same directions, all as strong as they are on average; without what rounding by `eps` leaves of zeros."""
    u, s, vt = svd(matrix)
    used = s > 10 * eps * matrix.norm()
    return s.mean() * u[:, used] @ vt[used]


def _layers(problem: Problem, merged: Tensor, power: float) -> list[tuple[slice, float]]:
    """What each matrix of a block is multiplied with: its length relative to that of its kind, to a power."""
    vectors, kinds = problem.task_vectors, dict[str, list[tuple[slice, float]]]()
    for name, span, shape in zip(vectors.names, vectors.spans, vectors.shapes, strict=True):
        if len(shape) == 2 and block_of(name).startswith("block "):
            kinds.setdefault(re.sub(r"\d+", "", name), []).append((span, float(merged[span].norm())))
    found = []
    for layers in kinds.values():
        mean = sum(length for _, length in layers) / len(layers)
        found += [(span, (length / mean) ** power) for span, length in layers if mean]
    return found
