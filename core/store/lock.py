"""Who writes: one process at a time, which leaves its name beside the lock."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from core.files import alive, write_text


class WriteLock:
    """The right to write to one store."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "store.lock", thread_local=False)
        self._name = folder / "store.holder"

    def acquire(self, wait: float) -> bool:
        """Take the right within `wait` seconds; False where another process keeps it."""
        try:
            self._lock.acquire(timeout=wait)
        except Timeout:
            return False
        write_text(self._name, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        return True

    def release(self) -> None:
        """Let the next process write."""
        self._name.unlink(missing_ok=True)
        self._lock.release()

    def holder(self) -> str | None:
        """The process that writes, in words; None where the last one went without leaving."""
        try:
            found = json.loads(self._name.read_text(encoding="utf-8"))
            pid, host = int(found["pid"]), str(found["host"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"
        return f"process {pid} on {host}" if host != socket.gethostname() or alive(pid) else None
