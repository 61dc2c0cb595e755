"""Finds the one concrete class of each file in a package: adding a file adds an entry."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cached_property
from typing import ClassVar, Generic, Protocol, TypeVar

from core.errors import UnknownName


class _HasName(Protocol):
    name: ClassVar[str]


T = TypeVar("T", bound=_HasName)


class Registry(Generic[T]):
    """An instance of every concrete subclass of `kind` defined in the modules of `package`, by its name."""

    def __init__(self, package: str, kind: type[T], noun: str) -> None:
        self._package, self._kind, self._noun = package, kind, noun

    def names(self) -> tuple[str, ...]:
        """Names of all entries, sorted."""
        return tuple(self._found)

    def get(self, name: str) -> T:
        """The entry of that name; raises `UnknownName`."""
        if name not in self._found:
            raise UnknownName(self._noun, name, self.names())
        return self._found[name]

    @cached_property
    def _found(self) -> dict[str, T]:
        """Collected when first asked for: entries may import their own package."""
        found: dict[str, T] = {}
        for module_info in pkgutil.iter_modules(importlib.import_module(self._package).__path__):
            module = importlib.import_module(f"{self._package}.{module_info.name}")
            for _, value in inspect.getmembers(module, inspect.isclass):
                if value.__module__ != module.__name__ or inspect.isabstract(value):
                    continue
                if issubclass(value, self._kind):
                    found[value.name] = value()
        return dict(sorted(found.items()))
