"""Studies: families of runs that each answer one question, most of them a table or figure of a paper; one file each."""

from __future__ import annotations

from functools import cache

from core.errors import UnknownName
from core.registry import collect
from core.studies.base import Study

__all__ = ["Study", "get", "names"]


@cache
def _all() -> dict[str, Study]:
    return collect(__name__, __path__, Study)  # type: ignore[type-abstract]


def names() -> tuple[str, ...]:
    """Names of all studies."""
    return tuple(_all())


def get(name: str) -> Study:
    """The study of that name; raises `UnknownName`."""
    if name not in _all():
        raise UnknownName("study", name, names())
    return _all()[name]
