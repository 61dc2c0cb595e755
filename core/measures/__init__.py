"""What a run can measure beside accuracy, one file each; the result stands in its report under `measured`."""

from __future__ import annotations

from functools import cache

from core.errors import UnknownName
from core.measures.base import Measure, Subject
from core.registry import collect

__all__ = ["Measure", "Subject", "get", "names"]


@cache
def _all() -> dict[str, Measure]:
    return collect(__name__, __path__, Measure)  # type: ignore[type-abstract]


def names() -> tuple[str, ...]:
    """Names of all measures."""
    return tuple(_all())


def get(name: str) -> Measure:
    """The measure of that name; raises `UnknownName`."""
    if name not in _all():
        raise UnknownName("measure", name, names())
    return _all()[name]
