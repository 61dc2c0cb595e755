"""Finds the one concrete class of each file in a package: adding a file adds an entry."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def collect(package: str, path: Sequence[str], kind: type[T]) -> dict[str, T]:
    """Name -> instance of every concrete subclass of `kind` defined in the modules of `package`, sorted by name."""
    found: dict[str, T] = {}
    for module_info in pkgutil.iter_modules(path):
        module = importlib.import_module(f"{package}.{module_info.name}")
        for _, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, kind) and not inspect.isabstract(value) and value.__module__ == module.__name__:
                found[value.name] = value()  # type: ignore[attr-defined]
    return dict(sorted(found.items()))
