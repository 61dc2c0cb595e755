"""What is minimised over λ; one file each."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import AfterValidator

from core.errors import UnknownName
from core.objectives.base import Objective, Target
from core.registry import collect

__all__ = ["Name", "Objective", "Target", "get", "names"]


@cache
def _all() -> dict[str, Objective]:
    return collect(__name__, __path__, Objective)  # type: ignore[type-abstract]


def names() -> tuple[str, ...]:
    """Names of all objectives."""
    return tuple(_all())


def get(name: str) -> Objective:
    """The objective of that name; raises `UnknownName`."""
    if name not in _all():
        raise UnknownName("objective", name, names())
    return _all()[name]


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(f"one of {', '.join(names())}")
    return name


Name = Annotated[str, AfterValidator(_known)]
"""The type of a setting that chooses an objective."""
