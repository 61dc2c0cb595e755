"""Where a command reads and writes: files that are checked before any work starts, and the store."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.output import program, say
from core.errors import BadInput, StoreReadOnly
from core.paths import runs_folder

if TYPE_CHECKING:
    from core.store import Store
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


def folder_of_runs(chosen: Path | None) -> Path:
    """The folder to keep runs in; raises `BadInput` unless it can be written."""
    folder = chosen or runs_folder()
    check_folder(folder, "--runs" if chosen else "MERGESCOPE_HOME")
    return folder


def command(store: Store, action: str, run_id: str) -> str:
    """A command line on one run of `store`, for hints that can be pasted."""
    elsewhere = [] if store.folder == runs_folder() else ["--runs", shlex.quote(str(store.folder))]
    return " ".join([program(), "runs", action, run_id, *elsewhere])


@contextmanager
def reading(folder: Path | None) -> Iterator[Store]:
    """The store to look at, also while another process writes, and where nothing can be written at all."""
    from core.store import CannotWrite, Store

    chosen = folder or runs_folder()
    require_folder(chosen, "--runs" if folder else "MERGESCOPE_HOME")
    try:
        # Opening for writing marks the runs of a vanished process as interrupted.
        store = Store.open(chosen, write=chosen.exists(), wait=0)
    except CannotWrite:
        store = Store.open(chosen, write=False)
    with store:
        yield store


@contextmanager
def writing(folder: Path | None) -> Iterator[Store]:
    """The store for changes; raises `StoreReadOnly` while another process holds it."""
    from core.store import Store

    with Store.open(folder_of_runs(folder)) as store:
        if store.read_only:
            raise StoreReadOnly(
                f"The runs in `{store.folder}` are in use by {store.holder}. Stop it, or do this on its page."
            )
        yield store


@contextmanager
def writing_somewhere(folder: Path | None) -> Iterator[tuple[Store, bool]]:
    """The store for a new run and True; a private one and False while another process holds it."""
    from core.files import scratch
    from core.store import Store

    with Store.open(folder_of_runs(folder)) as store:
        if not store.read_only:
            yield store, True
            return
    say(f"The runs in `{store.folder}` are in use by {store.holder}: this run is not kept and can't be resumed.")
    private = scratch()
    try:
        with Store.open(private) as store:
            yield store, False
    finally:
        shutil.rmtree(private, ignore_errors=True)
