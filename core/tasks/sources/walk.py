"""The files below a folder, in an order that does not depend on the disk, without leaving what may be opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadSuite
from core.tasks.sources.base import Place

DEEPEST = 8
"""Folders inside one another."""
JUNK = ("thumbs.db", "desktop.ini", "__macosx")
"""What systems leave in folders of images; like hidden files, it is not looked at."""


@dataclass(frozen=True)
class FoundFile:
    """One file."""

    path: Path
    size: int
    changed: int
    """Nanoseconds since the epoch."""


@dataclass(frozen=True)
class Level:
    """What lies directly in a folder, by name."""

    folders: list[str]
    files: list[FoundFile]


def level(folder: Path, place: Place) -> Level:
    """What lies directly in `folder`; raises `BadSuite` where a link leads out, or the folder can't be read."""
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in JUNK:
                    continue
                path = Path(entry.path)
                if entry.is_symlink() and not place.allows(path):
                    raise BadSuite(
                        f"`{path}` is a link that leads outside the suite's folder; nothing there is opened."
                    )
                if entry.is_dir():
                    folders.append(entry.name)
                else:
                    facts = entry.stat()
                    files.append(FoundFile(path, facts.st_size, facts.st_mtime_ns))
    except OSError as error:
        raise BadSuite(f"`{folder}` can't be read: {error.strerror or error}.") from None
    return Level(sorted(folders), sorted(files, key=lambda file: file.path.name))


def walk(folder: Path, place: Place, depth: int = 0) -> Iterator[FoundFile]:
    """All files below `folder`; raises `BadSuite` as `level` does, and where it is nested too deeply."""
    if depth > DEEPEST:
        raise BadSuite(f"`{folder}` is nested more than {DEEPEST} folders deep, which class folders never are.")
    here = level(folder, place)
    yield from here.files
    for name in here.folders:
        yield from walk(folder / name, place, depth + 1)
