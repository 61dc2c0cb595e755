"""Finds the one concrete class of each file in a package: adding a file adds an entry, called like the file."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cached_property
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from core.errors import UnknownName


class _HasName(Protocol):
    name: ClassVar[str]


class _File:
    def __get__(self, _entry: object, kind: type) -> str:
        return kind.__module__.rpartition(".")[2]


def named_by_file() -> Any:
    """The `name` of entries, or of what they inherit from: that of the file which has the class."""
    return _File()


T = TypeVar("T", bound=_HasName)


class Registry(Generic[T]):
    """An instance of every concrete subclass of `kind` defined in the modules of `package`, by its name.

    Raises `TypeError` for a class with another name than its file's, and for one that lacks methods; what begins with
    `_` may.
    """

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
                if value.__module__ == module.__name__ and issubclass(value, self._kind) and self._meant(value):
                    found[value.name] = value()
        return dict(sorted(found.items()))

    @staticmethod
    def _meant(value: type[_HasName]) -> bool:
        """Whether a class is an entry, and no base class of some."""
        name, file = value.name, value.__module__.rpartition(".")[2]
        missing = ", ".join(sorted(getattr(value, "__abstractmethods__", ())))
        if missing and value.__name__.startswith("_"):
            return False
        if missing:
            raise TypeError(f"`{value.__name__}` in {value.__module__} should have all methods. Add {missing}.")
        if name != file:
            raise TypeError(
                f"`{value.__name__}` in {value.__module__} should have its file's name. Found `name = {name!r}`; leave "
                f"it out, which makes it {file!r}, or rename the file."
            )
        return True
