"""Studies: families of runs that each answer one question, most of them a table or figure of a paper; one file each."""

from __future__ import annotations

from core.registry import Registry
from core.studies.base import Study

__all__ = ["Study", "get", "names"]

_registry = Registry(__name__, Study, "study")
names, get = _registry.names, _registry.get
