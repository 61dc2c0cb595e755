"""Files of a run: one folder each, named by the run's id; no name from outside leads anywhere else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from core.errors import BadCheckpoint, BadInput
from core.files import inside, sha256
from core.store.faults import Damaged, plainly

STATE = "state-"
"""Files that begin with this are no results: the store keeps large states in them (`core.store.state`)."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Artefacts:
    """The folders of artefacts below `root`; run ids have been checked before they come here."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, run_id: str, filename: str, *, make: bool) -> Path:
        """Where `filename` of a run lies; `make` makes the folder. Raises `BadInput` for a name that leads astray."""
        if not _NAME.fullmatch(filename):
            raise BadInput(
                f"The name of a run's file should have only letters, digits, dots and dashes. Found {filename[:40]!r}."
            )
        folder = self._root / run_id
        if folder.is_symlink() or not inside(folder / filename, folder):
            raise BadInput(f"`{filename}` of run {run_id} leads outside the folder of runs. Remove that link.")
        if make:
            with plainly(f"Making the folder of run {run_id}"):
                folder.mkdir(parents=True, exist_ok=True)
        return folder / filename

    def names(self, run_id: str) -> list[str]:
        """Names of the files of a run."""
        folder = self._root / run_id
        found = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
        return [name for name in found if _NAME.fullmatch(name) and not name.startswith(STATE)]

    def require(self, path: Path, expected: str | None, aside: Callable[[], Path] | None) -> None:
        """Raise `Damaged` unless a kept file has the hash `expected`, None where an earlier version kept it; another
        one is moved into the folder that `aside` makes."""
        wrong, kept = _wrong(path, expected), ""
        if not wrong:
            return
        if path.exists() and aside is not None:
            with plainly(f"Moving {path}"):
                place = aside() / path.parent.name
                place.mkdir()
                path.replace(place / path.name)
                kept = f" It is kept in {place}."
        raise Damaged(f"`{path.name}` of run {path.parent.name} {wrong.rstrip('.')}.{kept}")

    def remove(self, run_id: str) -> None:
        """Delete all files of a run; a link in place of its folder is removed, not followed."""
        folder = self._root / run_id
        with plainly(f"Deleting the artefacts of run {run_id}"):
            if folder.is_symlink():
                folder.unlink()
            elif folder.is_dir():
                shutil.rmtree(folder)

    def sweep(self) -> None:
        """Remove temporary files that a killed process left behind."""
        for left in self._root.glob("*/.*"):
            with plainly(f"Removing {left}"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _wrong(path: Path, expected: str | None) -> str:
    """What is wrong with a file, in words."""
    if not path.is_file():
        return "is missing"
    with plainly(f"Reading {path}"):
        if expected is not None:
            return "" if sha256(path) == expected else "is damaged: its bytes are not those that were written"
    from core.checkpoints.formats import open_file  # Here, because it needs torch.

    try:
        open_file(path)
    except BadCheckpoint as error:
        return f"is damaged: {error}"
    return ""
