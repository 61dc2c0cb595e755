"""What lies directly in a folder, as far as a suite could be made of it: for a person who looks for files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput
from core.files import inside
from core.suite.scan import ENDINGS, SETS
from core.tasks.decode import SUFFIXES

SHOWN = 200
"""Entries that one question is answered with."""
USABLE = (*ENDINGS, *SETS, ".json")


@dataclass(frozen=True)
class Level:
    """Some of what lies in a folder: folders first, both by name."""

    folders: tuple[str, ...]
    files: tuple[str, ...]
    pictures: int
    """Image files, which are not listed one by one."""
    left: int
    """How many entries come after these."""


def allowed(named: str, roots: tuple[Path, ...]) -> Path:
    """The file or folder of that path, which has to be one of `roots` or to lie below one; raises `BadInput`."""
    path = Path(named)
    try:
        if path.is_absolute() and inside(path, *roots) and path.exists():
            return path
    except (OSError, ValueError, RuntimeError):  # Too long, a zero byte, a loop of links.
        pass
    raise BadInput(
        f"`{named[:200]}` should be one of the folders listed on this page, or in one of them. Add it first."
    )


def level(folder: Path, roots: tuple[Path, ...], begin: int = 0) -> Level:
    """The entries from number `begin` on; links that lead out of `roots` are not there. Raises `BadInput`."""
    folders, files, pictures = [], [], 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name.lower()
                if name.startswith(".") or (entry.is_symlink() and not _stays(Path(entry.path), roots)):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif name.endswith(USABLE):
                    files.append(entry.name)
                else:
                    pictures += name.endswith(SUFFIXES)
    except OSError as error:
        raise BadInput(f"`{folder}` can't be looked into: {error.strerror or error}.") from None
    folders.sort(key=str.lower)
    files.sort(key=str.lower)
    begin = max(0, begin)
    end, first = begin + SHOWN, len(folders)
    return Level(
        tuple(folders[begin:end]),
        tuple(files[max(0, begin - first) : max(0, end - first)]),
        pictures,
        max(0, first + len(files) - end),
    )


def _stays(link: Path, roots: tuple[Path, ...]) -> bool:
    try:
        return inside(link, *roots)
    except (OSError, RuntimeError):  # A loop of links.
        return False
