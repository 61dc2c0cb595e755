"""What is minimised over λ; one file each."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from core.objectives.base import Objective, Target
from core.registry import Registry

__all__ = ["Name", "Objective", "Target", "get", "names"]

_REGISTRY: Registry[Objective] = Registry("objective", Objective, __name__, __path__)  # type: ignore[type-abstract]
names, get = _REGISTRY.names, _REGISTRY.get


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(f"one of {', '.join(names())}")
    return name


Name = Annotated[str, AfterValidator(_known)]
"""The type of a setting that chooses an objective."""
