"""Random numbers that depend on the seed and on what they are for, not on the order in which they are asked for."""

from __future__ import annotations

import hashlib

from core.lazily import torch


def generator(*key: object) -> torch.Generator:
    """A CPU generator that is a pure function of `key`, such as (seed, task name, purpose)."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
