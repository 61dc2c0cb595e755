"""How one tensor is made from those of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.checkpoints.source import TensorEntry


@dataclass(frozen=True)
class TensorRecipe:
    """One tensor of the file, or several one below the other; perhaps transposed."""

    parts: tuple[str, ...]
    transposed: bool = False

    def make(self, parts: Sequence[Tensor]) -> Tensor:
        """The tensor, from its parts in the recipe's order."""
        whole = parts[0] if len(parts) == 1 else torch.cat(list(parts))
        return whole.T.contiguous() if self.transposed else whole

    def entry(self, table: Mapping[str, TensorEntry]) -> TensorEntry:
        """Element type and shape of what `make` gives."""
        first, shape = table[self.parts[0]], list(table[self.parts[0]].shape)
        if len(self.parts) > 1 and shape:
            shape[0] = sum(table[part].shape[0] if table[part].shape else 1 for part in self.parts)
        return TensorEntry(first.dtype, tuple(reversed(shape)) if self.transposed else tuple(shape))
