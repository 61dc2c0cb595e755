"""Merging methods; one file each."""

from __future__ import annotations

from functools import cache

from core.errors import UnknownName
from core.methods.base import Method
from core.registry import collect

__all__ = ["Method", "get", "names"]


@cache
def _all() -> dict[str, Method]:
    return collect(__name__, __path__, Method)  # type: ignore[type-abstract]


def names() -> tuple[str, ...]:
    """Names of all methods."""
    return tuple(_all())


def get(name: str) -> Method:
    """The method of that name; raises `UnknownName`."""
    if name not in _all():
        raise UnknownName("method", name, names())
    return _all()[name]
