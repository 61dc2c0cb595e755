"""The data-free methods written down once more with NumPy and SciPy in float64, entry by entry or matrix by matrix."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from scipy import linalg

from core.problem.task_vectors import TaskVectors
from core.seeds import generator
from tests.tiny import CONFIG

Array = npt.NDArray[np.float64]


def per_tensor(vectors: TaskVectors, merge: Callable[[str, Array], Array]) -> Array:
    """The merged task vector `[D]` put together from `merge`(name, τ `[K, *shape]`)."""
    return np.concatenate([merge(name, vectors.delta(name).numpy()).ravel() for name in vectors.names])


def per_matrix(vectors: TaskVectors, merge: Callable[[Array], Array], split: bool = False) -> Array:
    """2-D tensors through `merge`, everything else by its mean."""

    def one(name: str, delta: Array) -> Array:
        if delta.ndim != 3:
            return delta.mean(0)
        if split and name.endswith("in_proj_weight"):
            third = delta.shape[1] // 3
            return np.concatenate([merge(delta[:, at * third : (at + 1) * third]) for at in range(3)])
        return merge(delta)

    return per_tensor(vectors, one)


def tsv_m(delta: Array) -> Array:
    """TSV-Merge of one matrix; polar factors by SciPy, which takes another way than two SVDs."""
    kept = min(delta.shape[1:]) // len(delta)
    parts = [np.linalg.svd(one, full_matrices=False) for one in delta]
    left = linalg.polar(np.hstack([u[:, :kept] for u, _, _ in parts]))[0]
    right = linalg.polar(np.vstack([vt[:kept] for _, _, vt in parts]))[0]
    return left @ np.diag(np.concatenate([s[:kept] for _, s, _ in parts])) @ right


def iso_c(delta: Array) -> Array:
    """The unitary factor of Σ τ, times its nuclear norm over the rank."""
    total = delta.sum(0)
    return np.linalg.norm(total, "nuc") / min(total.shape) * linalg.polar(total)[0]


def iso_cts(delta: Array, common: float = 0.8) -> Array:
    """Iso-CTS of one matrix."""
    count, rank = len(delta), min(delta.shape[1:])
    own = round((rank - int(rank * common)) / count)
    u, s, vt = np.linalg.svd(delta.sum(0), full_matrices=False)
    shared = rank - own * count
    left, values, right = [u[:, :shared]], [s[:shared]], [vt[:shared]]
    for tau in delta:
        outside = tau - left[0] @ left[0].T @ tau
        own_u, own_s, own_vt = np.linalg.svd(outside, full_matrices=False)
        left.append(own_u[:, :own])
        values.append(own_s[:own])
        right.append(own_vt[:own])
    factors = linalg.polar(np.hstack(left))[0] @ linalg.polar(np.vstack(right))[0]
    return np.concatenate(values).mean() * factors


def wudi(name: str, delta: Array, iterations: int = 20, lr: float = 1e-5) -> Array:
    """WUDI with its K products a step and Adam written out; as many steps as the quick settings have."""
    if delta.ndim != 3 or "resblocks" not in name:
        return np.zeros_like(delta[0])
    merged, first, second = delta.sum(0), 0.0, 0.0
    for step in range(1, iterations + 1):
        gradient = sum(2 * (merged - tau) @ tau.T @ tau / (tau**2).sum() for tau in delta)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        merged = merged - lr * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return merged


def model_stock(_name: str, delta: Array) -> Array:
    """Model Stock by the angle of every pair."""
    flat, count = delta.reshape(len(delta), -1), len(delta)
    if count == 1:
        return delta[0]
    angles = [
        math.acos(flat[i] @ flat[j] / np.linalg.norm(flat[i]) / np.linalg.norm(flat[j]))
        for i in range(count)
        for j in range(i)
    ]
    shared = max(math.cos(sum(angles) / len(angles)), 0)
    return count * shared / ((count - 1) * shared + 1) * delta.mean(0)


def breadcrumbs(_name: str, delta: Array, below: float = 0.85, above: float = 0.993) -> Array:
    """Entries by rank of magnitude."""
    total = np.zeros(delta[0].size)
    for row in delta.reshape(len(delta), -1):
        order = np.argsort(np.abs(row))
        kept = order[int(below * row.size) : int(above * row.size)]
        total[kept] += row[kept]
    return 0.3 * total


def consensus(deltas: Array, share: float = 0.4, votes: int = 2) -> Array:
    """Votes counted entry by entry."""
    total = np.zeros(deltas.shape[1])
    for at, column in enumerate(deltas.T):
        whole = column.sum()
        count = sum(abs(own) >= share * abs(whole - own) for own in column)
        total[at] = whole if count >= min(votes, len(column)) else 0
    return 0.3 * total


def pcb(deltas: Array, keep: float = 0.05, scale: float = 1.2) -> Array:
    """PCB-Merging with full sorts."""
    count, size = deltas.shape

    def clamped(rows: Array, low: float, high: float) -> Array:
        ordered = np.sort(rows, axis=1)
        return np.clip(rows, ordered[:, [int(size * low)]], ordered[:, [int(size * (1 - high)) - 1]])

    def unit(rows: Array) -> Array:
        least, most = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
        return (rows - least) / (most - least)

    magnitude = clamped(np.abs(deltas), 1e-4, 1e-4)
    strength = np.exp(count * unit(magnitude) ** 2) * np.tanh(deltas * deltas.sum(0))
    strength = unit(clamped(strength, 1 - keep, 0))
    return scale * (np.sign(deltas) * magnitude * strength).sum(0) / np.maximum(strength.sum(0), 1e-12)


def dare(deltas: Array, tasks: tuple[str, ...], drop: float = 0.9, seed: int = 0) -> Array:
    """DARE with Task Arithmetic; the random numbers are those of the method (one chunk of them)."""
    total = np.zeros(deltas.shape[1])
    for row, task in zip(deltas, tasks, strict=True):
        drawn = torch.rand(len(row), generator=generator(seed, task, "dare")).numpy()
        total += np.where(drawn < drop, 0, row) / (1 - drop)
    return 0.3 * total


def lines(vectors: TaskVectors, beta: float = 0.5) -> Array:
    """LiNeS over the sum with α = 1/K, for the two blocks of the tiny encoder."""
    alpha = 1 / len(vectors.tasks)
    return per_tensor(
        vectors, lambda name, delta: (alpha + beta * (".resblocks.1." in name)) * delta.sum(0).astype(np.float64)
    )


def dc_merge(delta: Array, smooth: float = 0.0, density: float = 0.001) -> Array:
    """DC-Merge of one matrix, its common space padded to the full rank as the authors do, entry by entry."""
    count, rank = len(delta), min(delta.shape[1:])
    kept = max(1, rank // count)
    parts = [np.linalg.svd(tau.astype(np.float64), full_matrices=False) for tau in delta]
    left = linalg.polar(np.hstack([u[:, :kept] for u, _, _ in parts]))[0]
    right = linalg.polar(np.vstack([vt[:kept] for _, _, vt in parts]))[0]
    inside = []
    for u, s, vt in parts:
        strength = s[:kept]
        if smooth:
            line = np.linspace(min(smooth, strength[0] / strength[-1]), 1, kept)
            strength = strength.sum() * line / line.sum()
        own = left.T @ u[:, :kept] @ np.diag(strength) @ vt[:kept] @ right.T
        least = np.sort(np.abs(own), axis=None)[-max(1, int(density * rank**2)) :][0]
        inside.append(np.where(np.abs(own) >= least, own, 0))
    merged = np.zeros_like(inside[0])
    for task in range(count):
        for i in range(task * kept, (task + 1) * kept):
            for j in range(task * kept, (task + 1) * kept):
                entries = np.array([one[i, j] for one in inside])
                agreeing = entries[np.sign(entries) == np.sign(entries.sum())]
                merged[i, j] = agreeing.mean() if entries.sum() else 0
    return left @ merged @ right


def cart(name: str, delta: Array, weight: float = 2.0, share: float = 0.12) -> Array:
    """CART by the eigenvectors of each centred matrix's Gram matrix: its projection on the strongest of them."""
    mean = delta.mean(0, dtype=np.float64)
    if delta.ndim != 3 or "resblocks" not in name:
        return mean
    kept, total = max(1, int(share * min(mean.shape))), mean
    for tau in delta:
        apart = tau - mean
        strongest = np.linalg.eigh(apart.T @ apart)[1][:, -kept:]
        total = total + weight * apart @ strongest @ strongest.T
    return total


def svc(name: str, delta: Array, scale: float = 0.3) -> Array:
    """SVC after Task Arithmetic with α = 1/K, one direction and task at a time."""
    merged, count = scale * delta.sum(0).astype(np.float64), len(delta)
    if merged.ndim != 2 or name == "positional_embedding":
        return merged
    u, s, vt = np.linalg.svd(merged, full_matrices=False)
    total = np.zeros_like(merged)
    for r in range(len(s)):
        response = u[:, r] @ merged
        shares = [response @ (u[:, r] @ tau) / np.sum((u[:, r] @ tau) ** 2) for tau in delta]
        total += count / sum(max(1 / count, share) for share in shares) * s[r] * np.outer(u[:, r], vt[r])
    return total


def esm_of_one(tau: torch.Tensor) -> torch.Tensor:
    """ESM of one expert without weights by energy, where its directions are all those of each layer."""
    added, kinds = dict[str, torch.Tensor](), ("attn.in_proj_weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    at = 0
    for name, parameter in open_clip.CLIP(**CONFIG).visual.named_parameters():
        added[name] = tau[at : (at := at + parameter.numel())].view(parameter.shape)
        if name.endswith(kinds):
            columns = added[name].norm(dim=0)
            u, s, vt = torch.linalg.svd(added[name] * (columns / columns.mean()) ** 2, full_matrices=False)
            added[name] = 2 * s.mean() * u @ vt
    for kind in (*kinds, "attn.out_proj.weight"):
        lengths = {name: added[name].norm() for name in added if name.endswith(kind)}
        for name, length in lengths.items():
            added[name] = added[name] * (length * len(lengths) / sum(lengths.values())) ** 2
    return torch.cat([part.flatten() for part in added.values()])


MATRICES: dict[str, Callable[[Array], Array]] = {
    "tsv_m": tsv_m,
    "iso_c": iso_c,
    "iso_cts": iso_cts,
    "dc_merge": dc_merge,
}
"""Method -> what it makes of one matrix, τ `[K, m, n]` -> `[m, n]`; of everything else these take the mean."""
FORMULAS: dict[str, Callable[[TaskVectors], Array]] = {
    "dare": lambda vectors: dare(vectors.deltas.numpy(), vectors.tasks),
    "breadcrumbs": lambda vectors: per_tensor(vectors, breadcrumbs),
    "consensus": lambda vectors: consensus(vectors.deltas.numpy()),
    "pcb": lambda vectors: pcb(vectors.deltas.numpy()),
    "model_stock": lambda vectors: per_tensor(vectors, model_stock),
    **{name: partial(per_matrix, merge=merge) for name, merge in MATRICES.items()},
    "wudi": lambda vectors: per_tensor(vectors, wudi),
    "cart": lambda vectors: per_tensor(vectors, cart),
    "lines": lines,
    "svc": lambda vectors: per_tensor(vectors, svc),
}
"""Method -> what it adds to the base `[D]` with the quick settings."""
