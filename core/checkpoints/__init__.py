"""Bytes on disk -> named tensors, whatever the format. Nothing in a checkpoint is ever executed."""

from __future__ import annotations

from core.checkpoints.differences import Difference, differences, not_finite, remedy, spoiled, told
from core.checkpoints.heads import heads
from core.checkpoints.layouts import Kind, SeveralModels
from core.checkpoints.loading import Checkpoint, load_checkpoint, load_expert, load_text_tower, load_weights
from core.checkpoints.opening import Opened, open_checkpoint
from core.checkpoints.trained_heads import trained_head
from core.checkpoints.verdict import Verdict, identify

__all__ = [
    "Checkpoint",
    "Difference",
    "Kind",
    "Opened",
    "SeveralModels",
    "Verdict",
    "differences",
    "heads",
    "identify",
    "load_checkpoint",
    "load_expert",
    "load_text_tower",
    "load_weights",
    "not_finite",
    "open_checkpoint",
    "remedy",
    "spoiled",
    "told",
    "trained_head",
]
