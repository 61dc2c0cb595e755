"""One merge over several processes: how many there are, and which of them this one is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import BadInput

if TYPE_CHECKING:
    from core.problem.method import Method
    from core.problem.sharing.team import Team
    from core.settings import MethodSettings

_LAUNCHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which a launcher such as torchrun tells each process that it starts which one it is."""


def wanted(processes: int | None) -> int:
    """How many processes take part; None: as many as a launcher has started, or one. Raises `BadInput`."""
    started = _started()
    if processes is None:
        return started or 1
    if processes < 1:
        raise BadInput(f"`--processes` should be a positive number. Found {processes}.")
    if started and processes != started:
        raise BadInput(f"`--processes` should be the {started} that the launcher has started. Found {processes}.")
    return processes


def followed() -> bool:
    """Whether a launcher has started this process as another one than the first, which it has then followed to the end.

    All processes have the same command line, but only the first one looks at the rest of it.
    """
    if not _started() or os.environ["RANK"] == "0":
        return False
    from core.problem.sharing.launch import follow_first

    follow_first()
    return True


@contextmanager
def shared(
    processes: int, method: Method, settings: MethodSettings, tasks: Sequence[str], device: str
) -> Iterator[Team | None]:
    """The processes that merge these tasks, this one first, while the block runs; None where there are no others.

    Raises `BadInput` where the merge can't be shared out.
    """
    if processes == 1:
        yield None
        return
    from core.problem.sharing import launch

    launch.require(method, settings, tasks, processes)
    with launch.joined(processes, device) if _started() else launch.started(processes, device) as team:
        yield team


def _started() -> int:
    """How many processes a launcher has started; 0: there is none."""
    return int(os.environ["WORLD_SIZE"]) if all(os.environ.get(name) for name in _LAUNCHER) else 0
