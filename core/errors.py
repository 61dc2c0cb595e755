"""The named failures of the engine. Each message says: name, expected, found, remedy."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


class MergescopeError(Exception):
    """Base of every failure that Mergescope names; `str()` of it is one line for a person."""


class BadInput(MergescopeError):
    """The caller asked for something that can't be done; nothing was written (exit status 2)."""


class UnknownName(BadInput):
    """A method, task, suite, setting or run of that name does not exist; the message lists what does."""

    def __init__(self, kind: str, found: str, known: Sequence[str]) -> None:
        listed = ", ".join(known) if len(known) <= 40 else ", ".join(get_close_matches(found, known, 8, 0.3))
        super().__init__(
            f"Unknown {kind} `{found[:80]}`. Known: {listed or 'none'}{'' if len(known) <= 40 else ', …'}."
        )


class BadCheckpoint(BadInput):
    """A weight file is missing, truncated, of an unknown format, or does not fit its base."""


class BadSuite(BadInput):
    """A suite file is malformed or names things that are not there."""


class RunFailed(MergescopeError):
    """A run stopped while running (exit status 1); its last good step is kept."""


class NonFinite(RunFailed):
    """A loss or coefficient became NaN or infinite; stopped before the update."""


class Cancelled(MergescopeError):
    """The person who owns the run asked it to stop."""


class StoreReadOnly(MergescopeError):
    """Another process writes to this store; this one can only read it."""


FAULTS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What a method's own code raises when something is wrong with it, beside the named failures above."""


def told(error: BaseException) -> str:
    """A failure in one line for a person; one without a name says that nobody expected it."""
    return str(error) if isinstance(error, MergescopeError) else f"Unexpected {type(error).__name__}: {error}"
