"""Bytes on disk -> named tensors, whatever the format. Nothing in a checkpoint is ever executed."""

from __future__ import annotations

from core.checkpoints.differences import Difference, check_against_base, differences, not_finite, told
from core.checkpoints.header import Header, read_header
from core.checkpoints.layouts import Kind
from core.checkpoints.loading import Checkpoint, load_checkpoint, load_expert, load_head
from core.checkpoints.opening import Opened, open_checkpoint
from core.checkpoints.verdict import Verdict, identify

__all__ = [
    "Checkpoint",
    "Difference",
    "Header",
    "Kind",
    "Opened",
    "Verdict",
    "check_against_base",
    "differences",
    "identify",
    "load_checkpoint",
    "load_expert",
    "load_head",
    "not_finite",
    "open_checkpoint",
    "read_header",
    "told",
]
