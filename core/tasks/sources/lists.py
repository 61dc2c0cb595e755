"""`kind: list`: a table of paths with labels and splits, as CSV, TSV, other separated text, or Parquet."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from core.errors import BadSuite
from core.tasks.decode import Unreadable, open_picture
from core.tasks.sources.folder import WORDS
from core.tasks.sources.labelled import Labelled, Rows, several, shortened
from core.tasks.sources.parts import Data, Split
from core.tasks.sources.tables import Columns, NoList, Table, columns, read_table


class ListData(Data):
    """A file that lists images; columns are found by their names or by what they hold."""

    kind: Literal["list"]
    path: str
    folder: str | None = None
    """Where relative paths start, if not in the list's own folder."""
    image: str | None = None
    """The column of paths."""
    label: str | None = None
    """The column of labels; an explicit null: none."""
    split: str | None = None
    """The column of splits."""
    splits: dict[Split, str] = Field(default_factory=dict)
    """Split -> the list's own word for it; images of other words are left out."""


class _LeadsOutside(Exception):
    """A path leads where nothing may be opened."""


class ImageList(Labelled):
    """The list is read whole; the images are only looked up before they are asked for."""

    entry: ListData

    def missing(self) -> str | None:
        """The list's path, where there is no file."""
        return None if self.files[0].is_file() else f"`{self.entry.path}` is missing"

    @cached_property
    def rows(self) -> dict[str, Rows]:
        """Split -> its images; all are `test` where the list has no column of splits."""
        table, found = self._table
        return {
            split: Rows(
                [table.rows[at][found.image] for at in here],
                [table.places[at] for at in here],
                ["" if found.label is None else table.rows[at][found.label] for at in here],
            )
            for split, here in self._chosen[0].items()
        }

    @cached_property
    def flaws(self) -> Sequence[str]:
        """Lines that are none, unknown splits, files that are missing or may not be opened."""
        missing = [flaw for split in self.rows for flaw in self._looked_up[split][1]]
        return [
            *shortened(self._table[0].flaws, "lines of another form"),
            *self._chosen[1],
            *shortened(missing, "missing images"),
        ]

    def facts(self, split: str) -> np.ndarray:
        """Size and time of each file, −1 where it is missing or may not be opened."""
        return self._looked_up[split][0]

    def picture(self, split: str, index: int) -> Image.Image:
        """From its file, if it was there and may be opened."""
        if self.facts(split)[index, 0] < 0:
            raise Unreadable("is missing, or not to be opened")
        return open_picture(Path(self._file(self.rows[split].names[index])))

    @cached_property
    def _table(self) -> tuple[Table, Columns]:
        entry = self.entry
        labelled = entry.label is not None or "label" not in entry.model_fields_set
        try:
            table = read_table(self.files[0], entry.image)
            return table, columns(table, entry.image, entry.label, entry.split, labelled)
        except (NoList, OSError) as error:
            raise BadSuite(
                f"Task `{self.task}`: `{entry.path}` should be a list of images as CSV, TSV or Parquet with columns "
                f"such as path, label and split. Found: {error}."
            ) from None

    @cached_property
    def _chosen(self) -> tuple[dict[str, list[int]], list[str]]:
        """Split -> its rows of the table, and words that are no split."""
        table, found = self._table
        if found.split is None:
            return ({"test": list(range(len(table.rows)))} if table.rows else {}), []
        words = {word: split for split, names in WORDS.items() for word in names}
        if self.entry.splits:
            words = {word.lower(): split for split, word in self.entry.splits.items()}
        chosen, unknown = dict[str, list[int]](), dict[str, list[str]]()
        for at, row in enumerate(table.rows):
            word = row[found.split]
            if split := words.get(word.lower()):
                chosen.setdefault(split, []).append(at)
            elif not self.entry.splits:
                unknown.setdefault(word, []).append(table.places[at])
        expected = ", ".join(words)
        told = [f"{several(at)}: split `{word[:60]}` is none of {expected}" for word, at in unknown.items()]
        return chosen, shortened(told, "unknown splits")

    @cached_property
    def _looked_up(self) -> dict[str, tuple[np.ndarray, list[str]]]:
        """Split -> size and time int64 `[N, 2]` of each file, −1 where it is missing; what is wrong with each."""
        return {split: self._looked_at(rows) for split, rows in self.rows.items()}

    def _looked_at(self, rows: Rows) -> tuple[np.ndarray, list[str]]:
        facts, flaws = np.full((len(rows.names), 2), -1, np.int64), []
        for at, name in enumerate(rows.names):
            try:
                facts[at] = self._facts(name) if name else (0, 0)
                problem = "" if name else "no path"
            except _LeadsOutside:
                problem = f"`{name[:120]}` leads outside the suite's folder and the checkpoint folders"
            except (OSError, ValueError):  # ValueError: a zero byte.
                problem = "" if self.entry.skip_unreadable else f"`{name[:120]}` is missing"
            if problem:
                flaws.append(f"{rows.places[at]}: {problem}")
        return facts, flaws

    def _facts(self, name: str) -> tuple[int, int]:
        """Size and time of a file; raises `OSError`, `_LeadsOutside`."""
        file = self._file(name)
        # Most files of a list lie in few folders, and looking where a path leads takes longest.
        if not self._allowed(os.path.dirname(file)):
            raise _LeadsOutside
        about = os.lstat(file)
        if stat.S_ISLNK(about.st_mode):
            if not self.place.allows(Path(file)):
                raise _LeadsOutside
            about = os.stat(file)
        if not stat.S_ISREG(about.st_mode):
            raise FileNotFoundError
        return about.st_size, about.st_mtime_ns

    @cached_property
    def _allowed(self) -> Callable[[str], bool]:
        return cache(lambda folder: self.place.allows(Path(folder)))

    def _file(self, name: str) -> str:
        return os.path.join(self._root, name.replace("\\", "/") if os.sep == "/" else name)

    @cached_property
    def _root(self) -> Path:
        folder = self.entry.folder
        return self.files[0].parent if folder is None else self.place.resolve(folder)
