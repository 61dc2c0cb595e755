"""Merging methods; one file each."""

from __future__ import annotations

from core.problem.method import METHODS, Method, Role

__all__ = ["Method", "Role", "get", "known", "names", "of_role"]

names, get = METHODS.names, METHODS.get


def known(name: str) -> Method | None:
    """The method of that name; None where this installation has none, as for a run of another version."""
    return get(name) if name in names() else None


def of_role(*roles: Role) -> tuple[str, ...]:
    """Names of the methods of these roles, role by role."""
    return tuple(name for role in roles for name in names() if get(name).role is role)
