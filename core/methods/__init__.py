"""Merging methods; one file each."""

from __future__ import annotations

from core.methods.base import Method
from core.registry import Registry

__all__ = ["Method", "get", "names"]

_REGISTRY: Registry[Method] = Registry("method", Method, __name__, __path__)  # type: ignore[type-abstract]
names, get = _REGISTRY.names, _REGISTRY.get
