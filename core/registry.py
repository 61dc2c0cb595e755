"""Finds the one concrete class of each file in a package: adding a file adds an entry."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from functools import cached_property
from typing import Generic, TypeVar

from core.errors import UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """An instance of every concrete subclass of `kind` in the modules of `package`, by name; imported on first use."""

    def __init__(self, word: str, kind: type[T], package: str, path: Sequence[str]) -> None:
        """`word` is what one of them is called in messages."""
        self._word, self._kind, self._package, self._path = word, kind, package, path

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(self._all)

    def get(self, name: str) -> T:
        """The one of that name; raises `UnknownName`."""
        if name not in self._all:
            raise UnknownName(self._word, name, self.names())
        return self._all[name]

    @cached_property
    def _all(self) -> dict[str, T]:
        found: dict[str, T] = {}
        for module_info in pkgutil.iter_modules(self._path):
            module = importlib.import_module(f"{self._package}.{module_info.name}")
            for _, value in inspect.getmembers(module, inspect.isclass):
                own = value.__module__ == module.__name__
                if own and issubclass(value, self._kind) and not inspect.isabstract(value):
                    found[value.name] = value()  # type: ignore[attr-defined]
        return dict(sorted(found.items()))
