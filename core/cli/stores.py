"""Which store a command works on, and what happens when another process holds it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import targets
from core.cli.output import program, say
from core.errors import StoreReadOnly
from core.paths import runs_folder

if TYPE_CHECKING:
    from core.store import Store


def folder_of_runs(chosen: Path | None) -> Path:
    """The folder to keep runs in; raises `BadInput` unless it can be written."""
    folder = chosen or runs_folder()
    targets.check_folder(folder, "--runs" if chosen else "MERGESCOPE_HOME")
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
    targets.require_folder(chosen, "--runs" if folder else "MERGESCOPE_HOME")
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
                f"The runs in `{store.folder}` are in use by {store.holder}. Stop it, or do this in its page."
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
