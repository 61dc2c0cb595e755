"""PyTorch, imported when something of it is first used: that takes seconds, which names and headers need not wait for.

`from core.lazily import torch` stands where a command that computes nothing comes by; elsewhere `import torch`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["torch"]


class _Torch:
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("torch"), name)


if TYPE_CHECKING:
    import torch
else:
    torch = _Torch()
