"""Ray clusters of several nodes on one machine, for tests.

Each lives in a process of its own (`python -m tests.core.clusters NODES PORT`), which tells its raylets, ends a node
for each line it reads, and ends with its input.
"""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock

from core.cluster.connection import missing
from tests.lacking import lacking
from tests.waiting import until

_ONE = FileLock(Path(tempfile.gettempdir()) / f"mergescope-test-cluster-{getpass.getuser()}.lock")
"""Servers for clients take the same ports in every cluster: two at a time would answer each other's."""
os.environ |= {
    # Ray makes a server for each client by a fork, in which gRPC's threads now and then end it (ray-project/ray#63202).
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    # Workers would give way to the browsers and linters that run beside the tests.
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def require_ray() -> None:
    """End the test where there is no Ray: it fails in CI and is skipped elsewhere."""
    if told := missing():
        lacking(told)


class Nodes:
    """A head that takes clients, and other nodes, each with one core."""

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.address = f"ray://127.0.0.1:{port}"
        self._orders: IO[str] = process.stdin
        self._raylets = set(json.loads(process.stdout.readline()))

    def kill_node(self) -> None:
        """End a node that is not the head, with all its workers."""
        self._orders.write("\n")
        self._orders.flush()

    def kill_worker(self) -> None:
        """End a worker that has a run, as soon as there is one."""
        until(self._working)
        os.kill(self._working()[0], signal.SIGKILL)

    def _working(self) -> list[int]:
        """Processes of this cluster that are at a run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                told = (folder / "cmdline").read_bytes()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # It has just ended.
                continue
            if told.startswith(b"ray::carry_out") and parent in self._raylets:
                found.append(int(folder.name))
        return found


@contextmanager
def nodes(count: int) -> Iterator[Nodes]:
    """A cluster of so many nodes on this machine."""
    require_ray()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.core.clusters", str(count), str(port)]
    told = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with _ONE, subprocess.Popen(command, **told) as process:
        found = Nodes(port, process)
        until(lambda: _answers(port))
        yield found


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _serve(count: int, port: int) -> None:
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

    Node.start_api_server = lambda *_, **__: None  # It serves the dashboard, and the head waits for it.
    head = {"num_cpus": 1, "ray_client_server_port": port, "no_monitor": True, "include_log_monitor": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    others = [cluster.add_node(num_cpus=1) for _ in range(count - 1)]
    raylets = [one.process.pid for node in [cluster.head_node, *others] for one in node.all_processes["raylet"]]
    sys.stdout.write(json.dumps(raylets) + "\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        cluster.remove_node(others.pop(), allow_graceful=False)
    cluster.shutdown()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
