"""Singular values of task vectors: decompositions, polar factors, and which tensors are three matrices in one."""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import RunFailed

FUSED = ("in_proj_weight", "qkv.weight")
"""Ends of the names of tensors that hold query, key and value one above the other."""


def svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Reduced U `[m, r]`, S `[r]`, Vᵀ `[r, n]` on the matrix's own device; MPS has none, so the CPU computes it."""
    try:
        u, s, vt = torch.linalg.svd(matrix.cpu() if matrix.device.type == "mps" else matrix, full_matrices=False)
    except RuntimeError as error:
        raise RunFailed(
            f"The singular values of a {list(matrix.shape)} matrix can't be found: {str(error).splitlines()[0]} "
            "Look at `similarity` for a task vector that is not finite, and leave that task out."
        ) from None
    return u.to(matrix.device), s.to(matrix.device), vt.to(matrix.device)


def directions(matrix: Tensor, of: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The decomposition without singular values that are zero but for rounding, of `matrix` or of what it is part `of`.

    Singular vectors of zeros are arbitrary: with them a result would depend on the order of the tasks and on the
    processor. Whatever is averaged over singular values has to count the zeros that are left out.
    """
    u, s, vt = svd(matrix)
    rank = int((s > 10 * torch.finfo(s.dtype).eps * (matrix if of is None else of).norm()).sum())
    return u[:, :rank], s[:rank], vt[:rank]


def polar(matrix: Tensor) -> Tensor:
    """The nearest matrix with orthonormal rows or columns, U Vᵀ; what is 0 in every row or column stays 0."""
    u, _, vt = directions(matrix)
    return u @ vt


def strongest(deltas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The top ⌊r/K⌋ components of each task, at least one, of τ `[K, m, n]`.

    Left `[K, m, q]`, values `[K, q]`, right `[K, q, n]`; zeros where a task has fewer.
    """
    (count, rows, columns), kept = deltas.shape, max(1, min(deltas.shape[1:]) // len(deltas))
    left, values, right = (deltas.new_zeros(count, *size) for size in ((rows, kept), (kept,), (kept, columns)))
    for at, delta in enumerate(deltas):
        u, s, vt = directions(delta)
        own = min(kept, len(s))
        left[at, :, :own], values[at, :own], right[at, :own] = u[:, :own], s[:own], vt[:own]
    return left, values, right


def orthogonal(deltas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """TSV-Merge's components of τ `[K, m, n]`: the strongest of each task, turned so that no two tasks share one.

    Shapes are those of `strongest`. Their sum is TSV-Merge's Δ.
    """
    left, values, right = strongest(deltas)
    (count, rows, kept), columns = left.shape, right.shape[2]
    turned = polar(left.movedim(0, 1).reshape(rows, count * kept)).view(rows, count, kept).movedim(1, 0)
    return turned, values, polar(right.reshape(count * kept, columns)).view(count, kept, columns)
