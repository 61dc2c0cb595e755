"""How much memory this process has taken at most and can still take, and giving back what it does not need."""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_STATUS = Path("/proc/self/status")
_LIMIT = Path("/sys/fs/cgroup")


def peak_memory_mb() -> float:
    """Largest resident memory of this process since `forget_peak`, else since it began, in MiB; 0 if not known."""
    # getrusage counts what the parent had before exec too: a small child of a large process looks large.
    if (found := _kib(_STATUS, "VmHWM")) is not None:
        return found / 1024
    if sys.platform == "win32":
        return 0.0
    resource = importlib.import_module("resource")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / unit


_held: list[float] = []


def grown_mb() -> float | None:
    """How far the peak lies above what was resident at `forget_peak`, in MiB; None where the system does not tell."""
    return peak_memory_mb() - _held[0] if _held else None


def forget_peak() -> None:
    """Let the peak begin anew at what is held now; nothing where the system can't (it can on Linux)."""
    # Opened without O_CREAT, so that nothing is made where there is no such file.
    with suppress(OSError), (_STATUS.parent / "clear_refs").open("r+") as file:
        file.write("5")
    if (now := _kib(_STATUS, "VmRSS")) is not None:
        _held[:] = [now / 1024]


def available() -> int | None:
    """Bytes that this process can take without the system having to swap or kill; None if not known.

    What the kernel says is available, or what is left of a container's limit where that is less.
    """
    free = _kib(Path("/proc/meminfo"), "MemAvailable")
    if free is None:
        # Elsewhere the whole memory is the best that the standard library tells.
        names = getattr(os, "sysconf_names", {})
        known = "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else None
    left = [free * 1024]
    with suppress(OSError, ValueError):  # "max" is no number: no limit.
        used = int((_LIMIT / "memory.current").read_text())
        # The cache of files counts as used, but makes room when asked.
        cached = re.search(r"^inactive_file (\d+)", (_LIMIT / "memory.stat").read_text(), re.MULTILINE)
        left.append(int((_LIMIT / "memory.max").read_text()) - used + (int(cached.group(1)) if cached else 0))
    return max(0, min(left))


def free(device: torch.device) -> float:
    """Bytes that are free on a device, or in the host's memory where it has none of its own; infinite if not known."""
    import torch

    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    known = available()
    return math.inf if known is None else known


def _kib(table: Path, name: str) -> int | None:
    """A number of kibibytes in one of the kernel's tables; None where it is not there."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", table.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def give_back() -> None:
    """Return freed memory to the system; nothing where the C library is not glibc.

    After checkpoints have been read tensor by tensor, hundreds of MiB that are free lie between small blocks that
    are not, and large buffers are made beside them.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
