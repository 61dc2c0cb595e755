"""The named failures of the engine. Each message says: name, expected, found, remedy."""

from __future__ import annotations

import errno
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


class CannotWrite(RunFailed):
    """Disk full, read-only or failing: what was there before is intact, and a run can be resumed."""


class DiskFull(CannotWrite):
    """No room left: what frees some has to work all the same."""


class NonFinite(RunFailed):
    """A loss or coefficient became NaN or infinite; stopped before the update."""


class ProcessLost(RunFailed):
    """Another process of the same merge ended; the run is interrupted and can be resumed."""


class Cancelled(MergescopeError):
    """The person who owns the run asked it to stop."""


class StoreReadOnly(MergescopeError):
    """Another process writes to this store; this one can only read it."""


FAULTS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What a method's own code raises when something is wrong with it, beside the named failures above."""


_REMEDIES = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk quota is used up. Free some space",
    errno.EFBIG: "the file is larger than this system allows. Choose another folder",
    errno.EIO: "the disk reports an input/output error. Check the disk, or choose another folder",
    errno.EACCES: "permission denied. Make the folder writable, or choose another one",
    errno.EPERM: "permission denied. Make the folder writable, or choose another one",
    errno.EROFS: "the file system is read-only. Choose another folder",
    errno.ENOENT: "the folder is gone. Create it again, or choose another one",
    errno.ENOTDIR: "a file is in the way of the folder. Move it, or choose another folder",
    errno.EEXIST: "a file is in the way of the folder. Move it, or choose another folder",
    errno.EISDIR: "a folder is in the way of the file. Move it, or choose another name",
}


def reason(error: OSError) -> str:
    """Why the system refused, with a remedy where there is one."""
    return _REMEDIES.get(error.errno or 0) or error.strerror or str(error)


def refusal(what: str, error: OSError) -> CannotWrite:
    """What the system refused, in one line about `what`."""
    kind = DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else CannotWrite
    return kind(f"{what} failed: {reason(error)}.")


def told(error: BaseException) -> str:
    """A failure in one line for a person; one without a name says that nobody expected it."""
    if isinstance(error, OSError):
        return f"The system refused a file operation: {reason(error)}."
    return str(error) if isinstance(error, MergescopeError) else f"Unexpected {type(error).__name__}: {error}"
