"""TIES' preparation of task vectors: trim the small entries, elect a sign, keep what agrees.

TIES-Merging (Yadav et al., NeurIPS 2023), section 4, steps 1 and 2; over the whole flattened vector, as the authors do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.task_vectors import CHUNK, TaskVectors


def trim_and_elect(vectors: TaskVectors, keep: float) -> TaskVectors:
    """Task vectors with all but their `keep` share of largest entries, and entries of the outvoted sign, set to 0.

    Entries as large as the smallest one kept are kept too. Where an entry's trimmed values sum to zero, the majority
    of all elected signs decides.
    """
    flat, columns = vectors.deltas, _columns(vectors.deltas)
    thresholds = torch.stack([_threshold(row, keep) for row in flat])[:, None].to(flat)
    exact = torch.promote_types(flat.dtype, torch.float32)
    signs = torch.cat([_trimmed(flat[:, part], thresholds).sum(0, dtype=exact).sign() for part in columns])
    signs[signs == 0] = signs.sum().sign()
    kept = torch.empty_like(flat)
    for part in columns:
        trimmed = _trimmed(flat[:, part], thresholds)
        kept[:, part] = torch.where(trimmed.sign() == signs[part].to(trimmed), trimmed, 0)
    return vectors.with_deltas(kept)


def _columns(flat: Tensor) -> list[slice]:
    return [slice(begin, begin + CHUNK) for begin in range(0, flat.shape[1], CHUNK)]


def _trimmed(part: Tensor, thresholds: Tensor) -> Tensor:
    return torch.where(part.abs() >= thresholds, part, 0)


def _threshold(row: Tensor, keep: float) -> Tensor:
    """The smallest magnitude that is kept: the k-th smallest with k = d − int(keep · d)."""
    count = row.numel()
    rank = max(1, count - int(count * keep))
    return row.abs().kthvalue(rank).values
