"""What a run can measure beside accuracy, one file each; the result stands in its report under `measured`."""

from __future__ import annotations

from core.measures.base import Measure, Subject
from core.registry import Registry

__all__ = ["Measure", "Subject", "get", "names"]

_REGISTRY: Registry[Measure] = Registry("measure", Measure, __name__, __path__)  # type: ignore[type-abstract]
names, get = _REGISTRY.names, _REGISTRY.get
