"""What a run can measure beside accuracy, one file each; the result stands in its report under `measured`."""

from __future__ import annotations

from core.measures.base import Measure, Subject
from core.registry import Registry

__all__ = ["Measure", "Subject", "get", "names"]

_registry = Registry(__name__, Measure, "measure")
names, get = _registry.names, _registry.get
