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


def directions(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The decomposition cut to its numerical rank, at least 1.

    Singular vectors of zeros are arbitrary, and methods that change singular values would turn them into noise.
    """
    u, s, vt = svd(matrix)
    rank = max(1, int((s > 10 * torch.finfo(s.dtype).eps * s[0]).sum()))
    return u[:, :rank], s[:rank], vt[:rank]


def polar(matrix: Tensor) -> Tensor:
    """The nearest matrix with orthonormal rows or columns: U Vᵀ."""
    u, _, vt = svd(matrix)
    return u @ vt
