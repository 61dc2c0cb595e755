"""How much memory this process has taken at most, and giving back what it does not need."""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory_mb() -> float:
    """Largest resident memory of this process since `forget_peak`, else since it began, in MiB; 0 if not known."""
    try:
        # getrusage counts what the parent had before exec too: a small child of a large process looks large.
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found.group(1)) / 1024
    if sys.platform == "win32":
        return 0.0
    resource = importlib.import_module("resource")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / unit


def forget_peak() -> None:
    """Let the peak begin anew at what is held now; nothing where the system can't (it can on Linux)."""
    # Opened without O_CREAT, so that nothing is made where there is no such file.
    with suppress(OSError), (_STATUS.parent / "clear_refs").open("r+") as file:
        file.write("5")


def give_back() -> None:
    """Return freed memory to the system; nothing where the C library is not glibc.

    After checkpoints have been read tensor by tensor, hundreds of MiB that are free lie between small blocks that
    are not, and large buffers are made beside them.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
