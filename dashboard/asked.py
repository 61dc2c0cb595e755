"""What came from a browser, checked; each raises `BadInput` with the name, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import BadInput


def text(value: object, name: str, longest: int = 100) -> str:
    """One line, without the space around it; it may be empty."""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise BadInput(f"`{name}` should be at most {longest} printable characters. Found `{value!r:.40}`.")
    return value.strip()


def one_of(value: object, name: str, choices: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise BadInput(f"`{name}` should be one of {', '.join(choices)}. Found `{value!r:.40}`.")
    return value
