"""Merging methods; one file each."""

from __future__ import annotations

from core.methods.base import Method
from core.registry import Registry

__all__ = ["Method", "get", "names"]

_registry = Registry(__name__, __path__, Method, "method")
names, get = _registry.names, _registry.get
