"""Folders whose checkpoints and images may be opened from any suite, as this person named them."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import BadInput
from core.files import write_text
from core.paths import home

ENVIRONMENT = "MERGESCOPE_CHECKPOINTS"
"""Folders for this process only, separated as in PATH."""


def roots() -> tuple[Path, ...]:
    """The folders that are there now: those of the environment, then the remembered ones."""
    named = [part for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part] + _remembered()
    return tuple(dict.fromkeys(Path(one).expanduser().resolve() for one in named if Path(one).expanduser().is_dir()))


def add_root(folder: str) -> Path:
    """Remember a folder; raises `BadInput` unless it is an existing folder that does not hold the whole disk."""
    try:
        path = Path(folder).expanduser().resolve()
        there = folder.strip() and path.is_dir()
    except (OSError, ValueError, RuntimeError):  # Too long, a zero byte, a loop of links, no such user.
        there = False
    if not there:
        raise BadInput(f"A checkpoint folder should exist on this machine. Found no folder `{folder[:200]}`.")
    if path == Path(path.anchor):
        raise BadInput(f"A checkpoint folder should be a folder of your own. Found `{path}`, the whole disk.")
    remembered = _remembered()
    if str(path) not in remembered:
        _remember([*remembered, str(path)])
    return path


def remove_root(folder: str) -> None:
    """Forget a folder; nothing in it is touched. Raises `BadInput` where it is not a remembered one."""
    remembered = _remembered()
    if folder not in remembered:
        raise BadInput(f"`{folder[:200]}` should be one of the remembered checkpoint folders. Found: {remembered}.")
    _remember([one for one in remembered if one != folder])


def _file() -> Path:
    return home() / "checkpoint_folders.txt"


def _remembered() -> list[str]:
    try:
        return [line for line in _file().read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return []


def _remember(folders: list[str]) -> None:
    write_text(_file(), "".join(f"{folder}\n" for folder in folders))
