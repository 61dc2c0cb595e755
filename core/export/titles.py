"""What people call a run and its method."""

from __future__ import annotations

from core.store.records import RunRecord

EDITED = "λ changed by hand"


def title_of(method: str) -> str:
    """A method's title; its name where the registry does not know it (any more)."""
    from core import methods  # Loads PyTorch, for which the page does not wait.

    found = methods.known(method)
    return method if found is None else found.title


def method_title(record: RunRecord) -> str:
    """How a run was made: its method, and whether a person changed λ afterwards."""
    title = title_of(record.method)
    return title if record.what_if is None else f"{title}, {EDITED}"


def run_title(record: RunRecord) -> str:
    """The name that the owner gave a run, else its method."""
    return record.name or method_title(record)
