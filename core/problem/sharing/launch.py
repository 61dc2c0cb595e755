"""Starts the processes of a merge on this machine, or joins those that a launcher such as torchrun has started."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess

import torch
import torch.distributed as dist

from core.encoders.precision import choose_device
from core.errors import BadInput, MergescopeError, ProcessLost, RunFailed
from core.files import scratch
from core.problem.method import METHODS, Method
from core.problem.sharing.share import follow
from core.problem.sharing.team import Team, Told
from core.settings import MethodSettings

JOIN = timedelta(minutes=5)
"""How long the processes have to find each other."""
_GRACE = 10.0
"""Seconds that the others have to end once there is nothing left to do."""
_LAUNCHER = "env://"
"""Where a launcher's processes meet: it has told each of them in environment variables."""
_DEVICES = ("cpu", "cuda", "mps")
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}
_INTERFACE = "GLOO_SOCKET_IFNAME"
log = logging.getLogger(__name__)


def require(method: Method, settings: MethodSettings, tasks: Sequence[str], processes: int) -> None:
    """Raise `BadInput` where a merge of these tasks can't be shared out over so many processes."""
    if processes > len(tasks):
        raise BadInput(f"`--processes` should be at most {len(tasks)}, the number of tasks. Found {processes}.")
    able = [name for name in METHODS.names() if METHODS.get(name).shares]
    for name in (method.name, getattr(settings, "start", "none")):
        if name not in (*able, "none"):
            raise BadInput(
                f"`--processes` needs a method that can share out the task vectors: {', '.join(able)}. Found `{name}`."
            )


@contextmanager
def started(processes: int, device: str) -> Iterator[Team]:
    """So many processes on this machine, this one included; the others end with the block.

    The processor's cores are shared out among them. Raises `RunFailed` where they don't find each other.
    """
    threads, folder = torch.get_num_threads(), scratch()
    torch.set_num_threads(max(1, threads // processes))
    # Nobody elsewhere reaches the sockets of processes that are all here; where they meet, only this user reads.
    interface, meeting = os.environ.get(_INTERFACE, _LOOPBACK.get(sys.platform)), (folder / "meeting").as_uri()
    others: list[BaseProcess] = []
    try:
        with _environment(_INTERFACE, interface):
            others += _children(processes, meeting)
            with _led(processes, meeting, processes, device, others) as team:
                yield team
        for other in others:
            other.join(_GRACE)
    finally:
        for other in others:
            other.kill()
            other.join()
        shutil.rmtree(folder, ignore_errors=True)
        torch.set_num_threads(threads)


@contextmanager
def joined(processes: int, device: str) -> Iterator[Team]:
    """The processes that a launcher has started, of which this is the first."""
    with _led(processes, _LAUNCHER, _near(), device) as team:
        yield team


def follow_first() -> None:
    """Be one of the others that a launcher has started, to the end."""
    _follow(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), _LAUNCHER, _near())


def _near() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


@contextmanager
def _led(size: int, meeting: str, near: int, device: str, others: Sequence[BaseProcess] = ()) -> Iterator[Team]:
    team = _team(0, size, meeting, near, device, others)
    try:
        yield team
        team.tell(Told("", {}, [], []))
    finally:
        dist.destroy_process_group()


def _children(size: int, meeting: str) -> list[BaseProcess]:
    context = multiprocessing.get_context("spawn")  # A fork of a process with threads may hang.
    others: list[BaseProcess] = []
    # Ctrl-C reaches them too, but the first process alone decides what follows.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for rank in range(1, size):
            how = (rank, size, meeting, size, torch.get_num_threads())
            others.append(context.Process(target=_follow, args=how, daemon=True))
            others[-1].start()
    finally:
        signal.signal(signal.SIGINT, before)
    return others


def _follow(rank: int, size: int, meeting: str, near: int, threads: int | None = None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        follow(_team(rank, size, meeting, near))
    except ProcessLost:  # The first process says why, if it can.
        sys.exit(1)
    except (MergescopeError, RuntimeError) as error:
        log.error("Process %d of %d: %s", rank + 1, size, str(error).splitlines()[0])
        sys.exit(1)


def _team(rank: int, size: int, meeting: str, near: int, device: str = "", others: Sequence[BaseProcess] = ()) -> Team:
    """All have joined; the first one says on which kind of `device` everybody computes."""
    chosen = choose_device(device) if rank == 0 else torch.device("cpu")
    try:
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=JOIN)
        told = torch.tensor([_DEVICES.index(chosen.type), -1 if chosen.index is None else chosen.index])
        dist.broadcast(told, 0)
        kind, index = told.tolist()
        return Team(rank, size, _own(kind, index, rank), near, lambda: _missing(others))
    except (RuntimeError, ValueError) as error:
        raise RunFailed(f"The {size} processes don't find each other: {str(error).splitlines()[0]}") from None


def _own(kind: int, index: int, rank: int) -> torch.device:
    """Each process its own GPU of its machine, unless one is named for all of them."""
    if _DEVICES[kind] != "cuda":
        return torch.device(_DEVICES[kind])
    place = int(os.environ.get("LOCAL_RANK", rank)) if index < 0 else index
    chosen = torch.device("cuda", place % torch.cuda.device_count())
    torch.cuda.set_device(chosen)
    return chosen


def _missing(others: Sequence[BaseProcess]) -> str:
    """Which of the others have ended, to begin a sentence with."""
    time.sleep(0.2)  # A connection ends a moment before its process.
    gone = [(rank, other.exitcode) for rank, other in enumerate(others, 2) if other.exitcode is not None]
    named = [f"{rank} (signal {-code})" if code and code < 0 else f"{rank}" for rank, code in gone]
    return f"Process {', '.join(named)} of {len(others) + 1}" if named else "Another process of this merge"


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
