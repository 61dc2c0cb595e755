"""Files a command will write: checked before any work starts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import BadInput

if TYPE_CHECKING:
    from core.suite.find import SuiteFile


def check(path: Path | None, option: str, *suffixes: str) -> None:
    """Raise `BadInput` unless a file can be written at `path`; leaves nothing behind. None is fine."""
    if path is None:
        return
    if suffixes and path.suffix not in suffixes:
        raise BadInput(f"`{option}` should be a file name that ends in {' or '.join(suffixes)}. Found `{path}`.")
    if path.exists() and not path.is_file():
        raise BadInput(f"`{option}` should be a file. Found `{path}`, which is a folder or a device.")
    if not path.parent.is_dir():
        raise BadInput(f"`{option}` should be in a folder that exists. Found `{path}`; create `{path.parent}` first.")
    _check_writable(path.parent, option, "in a folder", path)


def check_folder(folder: Path, option: str) -> None:
    """Raise `BadInput` unless `folder`, or the place where it will be made, can be written."""
    _check_writable(require_folder(folder, option), option, "a folder", folder)


def require_folder(folder: Path, option: str) -> Path:
    """The nearest folder that exists, where `folder` is or can be one; raises `BadInput` where a file is in the way."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise BadInput(f"`{option}` should be a folder. Found `{folder}`, where `{nearest}` is a file.")
    return nearest


def _check_writable(place: Path, option: str, expected: str, found: Path) -> None:
    try:
        # Permissions alone say nothing about read-only and special file systems.
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise BadInput(
            f"`{option}` should be {expected} where files can be written. Found `{found}`: {error.strerror}."
        ) from None


def check_not_read(file: SuiteFile, **paths: Path | None) -> None:
    """Raise `BadInput` if an option names a file that the suite is read from."""
    inputs = {path.resolve() for path in file.files()}
    for option, path in paths.items():
        if path is not None and inputs & {path.resolve(), *path.resolve().parents}:
            raise BadInput(f"`--{option}` should be a new file. Found `{path}`, which belongs to suite {file.name}.")


def check_distinct(**paths: Path | None) -> None:
    """Raise `BadInput` if two options name the same file."""
    seen: dict[Path, str] = {}
    for option, path in paths.items():
        if path is None:
            continue
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise BadInput(f"`--{other}` and `--{option}` should be different files. Found `{path}` for both.")
