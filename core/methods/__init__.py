"""Merging methods; one file each."""

from __future__ import annotations

from core.methods.base import Method, Role
from core.registry import Registry

__all__ = ["Method", "Role", "get", "known", "names", "of_role"]

_registry = Registry(__name__, __path__, Method, "method")
names, get = _registry.names, _registry.get


def known(name: str) -> Method | None:
    """The method of that name; None where this installation has none, as for a run of another version."""
    return get(name) if name in names() else None


def of_role(*roles: Role) -> tuple[str, ...]:
    """Names of the methods of these roles, role by role."""
    return tuple(name for role in roles for name in names() if get(name).role is role)
