"""Connecting to a Ray cluster, or starting one on this machine; what goes wrong is one line for a person."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from core.errors import BadInput

LOCAL = "ray"
"""The address of a cluster of its own: all devices of this machine, until the command ends."""
_ADDRESS = re.compile(r"ray://([\w.-]+|\[[\da-fA-F:]+\]):(\d{1,5})")
_SECONDS = 5.0
"""How long an address may take to answer."""
_TURN = threading.Lock()
"""A process has one connection at a time; a server's run and study may want two."""
_LOOK_SECONDS = 0.2
RESOURCES = {"cpu": "CPU", "cuda": "GPU"}
"""What Ray calls the devices that a run may take one of."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    ray: Any
    """The package, which is not always installed."""
    address: str
    device: str
    """`cpu` or `cuda`: what every run takes one of."""

    @property
    def room(self) -> int:
        """How many runs it can carry out at once; more where it grows, fewer where machines went away."""
        return int(self.ray.cluster_resources().get(RESOURCES[self.device], 0))

    def task(self, function: Any) -> Any:
        """A function as something to be done by a worker on one device; whoever waits for it tries again."""
        return self.ray.remote(num_cpus=1, num_gpus=int(self.device == "cuda"), max_retries=0)(function)


def require(address: str) -> None:
    """Raise `BadInput` where there can be no cluster at that address, whatever runs there."""
    if address != LOCAL and not _ADDRESS.fullmatch(address):
        raise BadInput(f"`--on` should be `ray` for this machine, or `ray://HOST:PORT`. Found `{address}`.")
    if told := missing():
        raise BadInput(told)


def missing() -> str:
    """What has to be installed first; empty where Ray is there."""
    if find_spec("ray") is not None:
        return ""
    return "Several runs at a time (`--on`) need Ray, which is not installed: run `pip install -e '.[cluster]'`."


@contextmanager
def connected(address: str, device: str = "auto", tick: Callable[[], None] = lambda: None) -> Iterator[Cluster]:
    """The cluster at an address, `auto` settled to CUDA where it has any; raises `BadInput` where it can't be used.

    Waits while this process is connected already, and calls `tick` now and then.
    """
    require(address)
    if device not in ("auto", *RESOURCES):
        raise BadInput(f"With `--on`, `--device` should be auto, cpu or cuda: Ray chooses which. Found `{device}`.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == LOCAL or "RAY_AUTH_MODE" not in os.environ:
        # The ports of `LOCAL` are open to the network: whoever reached one could run anything. Ray reads this once in a
        # process, and a server may want `LOCAL` later; a cluster without tokens doesn't mind one.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = import_module("ray")
    while not _TURN.acquire(timeout=_LOOK_SECONDS):
        tick()
    try:
        _begin(ray, address)
        yield Cluster(ray, address, _device(ray, address, device))
    finally:
        ray.shutdown()
        _TURN.release()


def _begin(ray: Any, address: str) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": True}
    try:
        if address == LOCAL:
            ray.init("local", include_dashboard=False, **quiet)
        else:
            _require_answer(address)
            ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError, ImportError) as error:
        told = " ".join(str(error).split())[:300]
        raise BadInput(f"No Ray cluster could be reached at `{address}`: {told or type(error).__name__}") from None


def _require_answer(address: str) -> None:
    """Ray itself would try for half a minute."""
    found = _ADDRESS.fullmatch(address)
    assert found is not None  # `require` has looked.
    host, port = found[1].strip("[]"), int(found[2])
    try:
        socket.create_connection((host, port), _SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"{error}. Is its head running, and does it take clients at this port (10001 where it says nothing else)?"
        ) from None


def _device(ray: Any, address: str, device: str) -> str:
    has = ray.cluster_resources()
    if device == "auto":
        return "cuda" if has.get(RESOURCES["cuda"]) else "cpu"
    if not has.get(RESOURCES[device]):
        listed = ", ".join(f"{has.get(one, 0):g} {one}" for one in RESOURCES.values())
        raise BadInput(f"The cluster `{address}` should have a device `{device}`. Found {listed}. Choose another one.")
    return device
