"""Iso-CTS: common directions of all tasks and own ones of each, with all singular values made equal."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from core.methods.iso_c import NOTES, IsoCSettings
from core.problem.problem import Problem
from core.settings import setting
from core.techniques.spectral import directions, polar
from core.techniques.tensorwise import Merge, Tensorwise, matrices


class IsoCTSSettings(IsoCSettings):
    """Settings of Iso-C and the share of common directions."""

    common: float = setting(
        0.8, "Share of directions reserved for what all tasks have in common; the rest is divided among the tasks.",
        source="Iso-CTS; FusionBench", gt=0, le=1,
    )  # fmt: skip


class IsoCTS(Tensorwise[IsoCTSSettings]):
    """Iso-C with the weakest common directions replaced by the strongest that each task has outside them."""

    title = "Iso-CTS"
    paper = f"No Task Left Behind (Marczak et al., ICML 2025), Iso-CTS; {NOTES}"
    summary = "Like Iso-C, but also keeps the directions specific to each task."
    cost = "K + 3 singular value decompositions per matrix: seconds on a GPU, minutes on a CPU for ViT-B/32."
    Settings = IsoCTSSettings

    def merging(self, problem: Problem, settings: IsoCTSSettings) -> Merge:
        """Matrix by matrix; `work` multiplies the whole by `scale`, so that `merge` need not know of it."""
        return matrices(partial(merge, common=settings.common), settings.qkv)


def merge(delta: Tensor, common: float) -> Tensor:
    """τ `[K, m, n]` -> Δ `[m, n]`, with the setting `common`."""
    count, rank = len(delta), min(delta.shape[1:])
    # The rest is rounded to a multiple of K, as the authors do, and the common part gives way.
    own = min(round((rank - int(rank * common)) / count), rank // count)
    shared = rank - own * count
    u, s, vt = directions(delta.sum(0))
    u, s, vt = u[:, :shared], s[:shared], vt[:shared]
    left, values, right = [u], [s], [vt]
    for one in delta:
        own_u, own_s, own_vt = directions(one - u @ (u.T @ one), of=one)
        left.append(own_u[:, :own])
        values.append(own_s[:own])
        right.append(own_vt[:own])
    return torch.cat(values).sum() / rank * (polar(torch.cat(left, dim=1)) @ polar(torch.cat(right)))
