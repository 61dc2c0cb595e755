"""Threads beside a run leave OpenMP to it."""

from __future__ import annotations

import threading
from functools import cache

from threadpoolctl import ThreadpoolController

_here = threading.local()


def leave_openmp() -> None:
    """Let this thread, from now to its end, compute without helpers; those of others stay as they are.

    With a second team of OpenMP threads in a process, even an idle one, libgomp's threads no longer wait for each other
    awake: a step of many small operations then takes up to three times as long.
    """
    if not hasattr(_here, "limit"):
        import torch

        torch.get_num_threads()  # Asked for the first time in a thread, it sets what this thread may take.
        _here.limit = _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
