"""Files for downloads, each made once, in the background, and kept while there is room."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path

from core.errors import Cancelled
from core.files import scratch
from core.runs.work import Lane, Pace, QueueFull, Work, Worker

WAITING = 8
"""Files that wait to be made, for guests and for the owner."""
PER_GUEST = 2
KEPT_BYTES = 2 * 2**30
Make = Callable[[Path, Callable[[], None]], Path]
"""Makes a file at a path and returns where it lies, there or where it was already; calls what it is given on the way,
which may raise `Cancelled`."""


class Shelf:
    """`worker` makes the files; those for guests give way to its runs."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._root = scratch()
        weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)
        self._lock = threading.RLock()
        self._made: OrderedDict[Hashable, Path] = OrderedDict()
        self._making: dict[Hashable, tuple[Work[None], Future[Path]]] = {}
        self._askers, self._guests, self._in_use = Counter[Hashable](), Counter[Hashable](), Counter[Path]()

    async def file(
        self, key: Hashable, suffix: str, make: Make, guest: Hashable, gone: asyncio.Future[None]
    ) -> Path | None:
        """The file of that key, which stays until `done_with`; None where `gone` has ended: its asker is not there.

        `guest` is None for the owner. Raises `QueueFull` where too many are being made, and what `make` raises.
        """
        with self._lock:
            # Systems clean up the folder of temporary files.
            if (known := self._made.get(key)) is not None and known.exists():
                self._made.move_to_end(key)
                self._in_use[known] += 1
                return known
            if guest is not None and self._guests[guest] >= PER_GUEST:
                raise QueueFull(f"At most {PER_GUEST} files are made for one guest at a time.")
            work, made = self._making.get(key) or self._begin(key, suffix, make, owner=guest is None)
            self._askers[key] += 1
            self._guests[guest] += 1
        ready = asyncio.wrap_future(made)
        ready.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            await asyncio.wait((ready, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            with self._lock:
                self._askers[key] -= 1
                self._guests[guest] -= 1
                alone = not made.done() and not self._askers[key]
                if alone:
                    self._forget(key, work)  # Who asks from now on asks for a new one.
            if alone:
                self._worker.cancel(work)
        if not ready.done():
            return None
        path = ready.result()
        with self._lock:
            self._in_use[path] += 1
        return path

    def done_with(self, path: Path) -> None:
        """One less sends this file."""
        with self._lock:
            self._in_use[path] -= 1
            self._make_room()

    def _begin(self, key: Hashable, suffix: str, make: Make, *, owner: bool) -> tuple[Work[None], Future[Path]]:
        made: Future[Path] = Future()

        def do(work: Work[None]) -> None:
            place = self._root / secrets.token_hex(8)

            def gives_way() -> bool:
                work.control.tick()
                return not owner and self._worker.busy

            try:
                self._root.mkdir(0o700, exist_ok=True)
                place.mkdir()
                path = make(place / f"file{suffix}", Pace(self._worker.allowance, gives_way))
            except BaseException as error:
                shutil.rmtree(place, ignore_errors=True)
                self._forget(key, work)
                made.set_exception(error)
                raise
            with self._lock:
                self._forget(key, work)
                if path.parent == place:
                    self._made[key] = path
            made.set_result(path)

        def dropped(state: str) -> None:
            self._forget(key, work)
            made.set_exception(Cancelled(f"It was {state}."))

        lane = Lane("downloads", "owner" if owner else "guests")
        work = Work(lane, key, do, "download", dropped)
        self._making[key] = work, made
        try:
            self._worker.submit(work, WAITING, "Too many files are being made.")
        except BaseException:
            self._forget(key, work)
            raise
        return work, made

    def _forget(self, key: Hashable, work: Work[None]) -> None:
        # Without the lock: the worker calls this while it holds its own.
        if self._making.get(key, (None,))[0] is work:
            self._making.pop(key, None)

    def _make_room(self) -> None:
        sizes = {key: path.stat().st_size for key, path in self._made.items() if path.exists()}
        for key, size in list(sizes.items()):
            if sum(sizes.values()) <= KEPT_BYTES:
                return
            if not self._in_use[self._made[key]]:
                shutil.rmtree(self._made.pop(key).parent, ignore_errors=True)
                sizes[key] -= size
