"""Starts the processes of a merge on this machine, or joins those that a launcher such as torchrun has started."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess

import torch
import torch.distributed as dist

from core.encoders.precision import choose_device
from core.errors import BadInput, MergescopeError, ProcessLost, RunFailed
from core.files import scratch
from core.problem.sharing.share import follow
from core.problem.sharing.team import Team, Told

LAUNCHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which a launcher tells each of its processes which one it is."""
JOIN = timedelta(minutes=5)
"""How long the processes have to find each other."""
_GRACE = 10.0
"""Seconds that the others have to end once there is nothing left to do."""
log = logging.getLogger(__name__)


def launched() -> tuple[int, int]:
    """This process's number and how many there are, where a launcher has started them; else 0 and 0."""
    if not all(os.environ.get(name) for name in LAUNCHER):
        return 0, 0
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def wanted(processes: int | None) -> int:
    """How many processes take part; None: as many as a launcher has started, or one. Raises `BadInput`."""
    _, started = launched()
    if processes is None:
        return max(started, 1)
    if processes < 1:
        raise BadInput(f"`--processes` should be a positive number. Found {processes}.")
    if started and processes != started:
        raise BadInput(f"`--processes` should be the {started} that the launcher has started. Found {processes}.")
    return processes


def followed(device: str) -> bool:
    """Whether this process is one of a launcher's that process 0 leads; it has then done what it was told."""
    rank, size = launched()
    if rank == 0:
        return False
    _follow(rank, size, "env://", device, int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    return True


@contextmanager
def together(size: int, device: str) -> Iterator[Team | None]:
    """The processes of a merge, told by this one; they end with the block. None where it is alone.

    The processor's cores are shared out among them. Raises `RunFailed` where they don't find each other.
    """
    if size == 1:
        yield None
        return
    if launched()[1]:
        with _led(size, "env://", device, int(os.environ.get("LOCAL_WORLD_SIZE", 1)), ()) as team:
            yield team
        return
    threads, folder = torch.get_num_threads(), scratch()
    torch.set_num_threads(max(1, threads // size))
    others: list[BaseProcess] = []
    try:
        with _on_this_machine():
            meeting = (folder / "meeting").as_uri()
            others += _started(size, meeting, device)
            with _led(size, meeting, device, size, others) as team:
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
def _led(size: int, meeting: str, device: str, near: int, others: Sequence[BaseProcess]) -> Iterator[Team]:
    """The team of process 0."""
    team = _joined(0, size, meeting, device, near, others)
    try:
        yield team
        team.tell(Told("", {}, [], []))
    finally:
        dist.destroy_process_group()


def _started(size: int, meeting: str, device: str) -> list[BaseProcess]:
    context = multiprocessing.get_context("spawn")  # A fork of a process with threads may hang.
    others = []
    # Ctrl-C reaches them too, but only process 0 decides what follows.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for rank in range(1, size):
            how = (rank, size, meeting, device, size, torch.get_num_threads())
            others.append(context.Process(target=_follow, args=how, daemon=True))
            others[-1].start()
    finally:
        signal.signal(signal.SIGINT, before)
    return others


def _follow(rank: int, size: int, meeting: str, device: str, near: int, threads: int | None = None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        follow(_joined(rank, size, meeting, device, near, ()))
    except ProcessLost:  # Process 0 has said why, if it could.
        sys.exit(1)
    except (MergescopeError, RuntimeError) as error:
        log.error("Process %d of %d: %s", rank + 1, size, str(error).splitlines()[0])
        sys.exit(1)


def _joined(rank: int, size: int, meeting: str, device: str, near: int, others: Sequence[BaseProcess]) -> Team:
    chosen = choose_device(device)
    if chosen.type == "cuda":
        place = int(os.environ.get("LOCAL_RANK", rank)) if chosen.index is None else chosen.index
        chosen = torch.device("cuda", place % torch.cuda.device_count())
        torch.cuda.set_device(chosen)
    try:
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=JOIN)
        return Team(rank, size, chosen, near, lambda: _missing(others))
    except (RuntimeError, ValueError) as error:
        raise RunFailed(
            f"The {size} processes should find each other at {meeting}. Found: {str(error).splitlines()[0]}"
        ) from None


def _missing(others: Sequence[BaseProcess]) -> str:
    """Which of the others have ended, to begin a sentence with."""
    time.sleep(0.2)  # A connection ends a moment before its process.
    gone = [(rank, other.exitcode) for rank, other in enumerate(others, 2) if other.exitcode is not None]
    named = [f"{rank} (signal {-code})" if code and code < 0 else f"{rank}" for rank, code in gone]
    return f"Process {', '.join(named)} of {len(others) + 1}" if named else "Another process of this merge"


@contextmanager
def _on_this_machine() -> Iterator[None]:
    """Nobody elsewhere reaches the sockets of processes that are all here."""
    names = {"linux": "lo", "darwin": "lo0"}
    before: Mapping[str, str] = dict(os.environ)
    if sys.platform in names:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", names[sys.platform])
    try:
        yield
    finally:
        if "GLOO_SOCKET_IFNAME" not in before:
            os.environ.pop("GLOO_SOCKET_IFNAME", None)
