"""The image cache: each split decoded once, brought to the model's input size, kept until the space is needed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np

from core.errors import BadInput, BadSuite, CannotWrite, told
from core.files import write_atomically, write_text
from core.paths import cache
from core.progress import Progress
from core.tasks.decode import Fitting, Unreadable, fitted
from core.tasks.images import Listing, StoredPixels

LIMIT = "MERGESCOPE_IMAGE_CACHE_GB"
"""Environment: how large the image cache may grow, in GiB."""
DEFAULT_LIMIT = 20.0
VERIFIED = 256 * 2**20
"""Bytes up to which an entry is checked as a whole when it is opened; larger ones are checked row by row in use."""
SHOWN = 30
"""Unreadable images that a message names."""
_AHEAD = 64
"""Images per thread that are decoded before they are written."""


@dataclass(frozen=True)
class Cached:
    """One split in the cache."""

    pixels: StoredPixels
    rows: np.ndarray
    """int `[N]`: which images of the listing these are; all, unless unreadable ones were skipped."""
    skipped: tuple[str, ...]
    """Unreadable images that were left out, with the reason."""


def limit_bytes() -> int:
    """How large the image cache may grow; raises `BadInput` where the environment says something else than a number."""
    given = os.environ.get(LIMIT, "")
    try:
        wanted = float(given) if given else DEFAULT_LIMIT
    except ValueError:
        wanted = -1.0
    if not wanted > 0:
        raise BadInput(f"`{LIMIT}` should be a positive number of GiB. Found `{given}`.")
    return int(min(wanted, 2**20) * 2**30)


class ImageCache:
    """Entries `KEY.pixels` and `KEY.json` in one folder, which any number of processes may share."""

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self._folder = folder or cache() / "images"
        self._limit = limit_bytes() if limit is None else limit

    def images(self, listing: Listing, fitting: Fitting, progress: Progress, *, skip: bool = False) -> Cached:
        """The images of a listing, decoded now or before; a damaged entry is made again.

        Raises `BadSuite` with the names of all images that can't be read, unless they are to be skipped; `BadInput`
        where there is no room or the folder can't be written; and whatever `progress` raises to cancel.
        """
        recipe = [listing.identity, fitting.identity, list(fitting.size), skip, 1]
        key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
        found = self._open(key, fitting)
        if found is None:
            with self._alone(key, progress):
                # Another process may have made it while this one waited.
                found = self._open(key, fitting)
                if found is None:
                    self._build(key, listing, fitting, progress, skip)
                    found = self._open(key, fitting)
        if found is None:
            raise BadInput(f"The image cache `{self._folder}` does not keep what is written to it. Check that disk.")
        return found

    def _open(self, key: str, fitting: Fitting) -> Cached | None:
        """The entry, or None where there is none that is whole."""
        note = self._folder / f"{key}.json"
        try:
            facts = json.loads(note.read_text("utf-8"))
            checks = np.frombuffer(base64.b64decode(facts["checks"]), "<u4")
            rows = np.arange(len(checks)) if facts["rows"] is None else np.asarray(facts["rows"], np.int64)
            shape = (*fitting.size, 3)
            pixels = StoredPixels(self._pixels(key), shape, checks, lambda: self._drop(key))
            size = self._pixels(key).stat().st_size
            whole = len(rows) == len(checks) > 0 and size == len(checks) * int(np.prod(shape))
            skipped = tuple(map(str, facts["skipped"]))
        except (OSError, ValueError, KeyError, TypeError, binascii.Error):
            return None
        if not whole or (size <= VERIFIED and not pixels.sound()):
            return None
        with suppress(OSError):
            os.utime(note)  # When it was last used decides what is dropped first.
        return Cached(pixels, rows, skipped)

    def _build(self, key: str, listing: Listing, fitting: Fitting, progress: Progress, skip: bool) -> None:
        needed = listing.count * fitting.size[0] * fitting.size[1] * 3
        self._make_room(needed, key)
        bad: list[str] = []
        rows: list[int] = []
        checks: list[int] = []

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                for index, row in enumerate(_decoded(listing, fitting, progress)):
                    if isinstance(row, Unreadable):
                        bad.append(f"{listing.name(index)} ({row})")
                        continue
                    rows.append(index)
                    checks.append(zlib.crc32(row.data))
                    file.write(row.data)
            _refuse(listing, bad, skip, len(rows))

        progress.start(f"Decoding images of {listing.title}", listing.count)
        with self._writable():
            write_atomically(self._pixels(key), write)
            facts = {
                "made from": listing.title,
                "rows": rows if bad else None,
                "skipped": bad,
                "checks": base64.b64encode(np.array(checks, "<u4").tobytes()).decode("ascii"),
            }
            write_text(self._folder / f"{key}.json", json.dumps(facts))
        progress.finish()

    def _make_room(self, needed: int, key: str) -> None:
        """Drop the entries that were not used for longest until this one fits."""
        if needed > self._limit:
            raise BadInput(
                f"The images take {needed / 2**30:.1f} GiB in the image cache, which may hold "
                f"{self._limit / 2**30:.1f} GiB. Raise `{LIMIT}`, or use fewer images (`limit` in the suite file)."
            )
        with self._writable():
            self._folder.mkdir(parents=True, exist_ok=True)
        self._drop(key)
        sizes = self._entries()
        for other in sorted(sizes, key=lambda name: sizes[name][0]):
            if sum(size for _, size in sizes.values()) + needed <= self._limit:
                break
            self._drop(other)
            del sizes[other]
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise BadInput(
                f"The images take {needed / 2**30:.1f} GiB in `{self._folder}`, where {free / 2**30:.1f} GiB are free. "
                "Make room, move MERGESCOPE_HOME, or use fewer images (`limit` in the suite file)."
            )

    def _entries(self) -> dict[str, tuple[float, int]]:
        """Key -> when it was last used, and its bytes; also of pixels without a note, which nobody can use."""
        found = {}
        for file in self._folder.glob("*.pixels"):
            with suppress(OSError):
                note = file.with_suffix(".json")
                found[file.stem] = (note.stat().st_mtime if note.exists() else 0.0, file.stat().st_size)
        return found

    def _drop(self, key: str) -> None:
        for file in (self._folder / f"{key}.json", self._pixels(key)):
            with suppress(OSError):  # On Windows a file in use stays, and goes next time.
                file.unlink(missing_ok=True)

    def _pixels(self, key: str) -> Path:
        return self._folder / f"{key}.pixels"

    @contextmanager
    def _alone(self, key: str, progress: Progress) -> Iterator[None]:
        """One process makes an entry, the others wait for it and can be cancelled meanwhile."""
        with self._writable():
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self._folder / f"{key}.lock", thread_local=False)
        waiting = False
        while True:
            try:
                with self._writable():
                    lock.acquire(timeout=0.2)
                break
            except filelock.Timeout:
                if not waiting:
                    progress.start("Waiting for another process that decodes the same images", None)
                waiting = True
                progress.advance(0)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except filelock.Timeout:
            raise
        except (OSError, CannotWrite) as error:
            raise BadInput(
                f"The image cache `{self._folder}` can't be written. {told(error)} Make room there, or set "
                "MERGESCOPE_HOME to a folder that can be written."
            ) from None


def _decoded(listing: Listing, fitting: Fitting, progress: Progress) -> Iterator[np.ndarray | Unreadable]:
    """Each image in order, or why it can't be read; decoded in threads, a bounded number ahead."""

    def decode(index: int) -> np.ndarray | Unreadable:
        try:
            return np.ascontiguousarray(fitted(listing.picture(index), fitting))
        except Unreadable as error:
            return error

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for begin in range(0, listing.count, threads * _AHEAD):
            for row in pool.map(decode, range(begin, min(begin + threads * _AHEAD, listing.count))):
                yield row
                progress.advance()


def _refuse(listing: Listing, bad: list[str], skip: bool, good: int) -> None:
    if bad and not (skip and good):
        more = f", and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        remedy = "no image is left" if skip else "remove them, or set `skip_unreadable: true` to leave them out"
        raise BadSuite(
            f"{listing.title}: {len(bad)} of {listing.count} files can't be used as images: "
            f"{', '.join(bad[:SHOWN])}{more}; {remedy}."
        )
