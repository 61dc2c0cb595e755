"""`kind: folder`: image files in class folders, with or without train/test folders above them, or all in one."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from core.errors import BadSuite
from core.tasks.classes import in_order
from core.tasks.decode import open_picture
from core.tasks.images import Listing
from core.tasks.sources.base import Source
from core.tasks.sources.parts import Data, Split
from core.tasks.sources.walk import level, walk

WORDS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "held-out": ("held-out", "held_out", "heldout", "val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}
"""Folder names that mean a split, in whatever case."""


class FolderData(Data):
    """A folder of images: `CLASS/…`, `SPLIT/CLASS/…`, or images without class folders, which are unlabelled."""

    kind: Literal["folder"]
    path: str
    splits: dict[Split, str] = Field(default_factory=dict)
    """Split -> folder below `path`, where their names do not tell."""


class Folder(Source):
    """Lists names and sizes; nothing is decoded before the images are asked for."""

    entry: FolderData

    @cached_property
    def own_splits(self) -> tuple[str, ...]:
        """The splits that have a folder; `test` where the folder has none of them."""
        return tuple(self._folders)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Names of the class folders of all splits, sorted; empty where images lie in none."""
        names = {name for folder in self._folders.values() for name in self._classes(folder)}
        return in_order(sorted(names))

    @property
    def state(self) -> tuple[object, ...]:
        """Names, sizes and times of all files."""
        return ([self._listed(split).identity for split in self.own_splits],)

    def look(self, split: str) -> Listing:
        """All files of a split, by class and name."""
        folder = self._folders[split]
        classes = self._classes(folder)
        if classes:
            found = [(file, self.ids.index(name)) for name in classes for file in walk(folder / name, self.place)]
        else:
            found = [(file, -1) for file in level(folder, self.place).files]
        files = [file for file, _ in found]
        root = self.files[0]
        names = [str(file.path.relative_to(root)) for file in files]
        facts = [(name, file.size, file.changed) for name, file in zip(names, files, strict=True)]
        return Listing(
            title=f"task `{self.task}`, split {split}",
            count=len(files),
            labels=np.array([label for _, label in found], np.int64) if classes else None,
            picture=lambda index: open_picture(files[index].path),
            name=lambda index: names[index],
            identity=hashlib.sha256(repr(facts).encode()).hexdigest(),
        )

    @cached_property
    def _folders(self) -> dict[str, Path]:
        """Split -> its folder."""
        root = self.files[0]
        if self.entry.splits:
            named: dict[str, Path] = {
                split: self.place.resolve(f"{self.entry.path}/{name}") for split, name in self.entry.splits.items()
            }
            if gone := [f"`{folder.name}`" for folder in named.values() if not folder.is_dir()]:
                raise BadSuite(f"Task `{self.task}`: `{self.entry.path}` should have the folders {', '.join(gone)}.")
            return named
        here = level(root, self.place)
        found: dict[str, Path] = {}
        for name in here.folders:
            split = next((split for split, words in WORDS.items() if name.lower() in words), None)
            if split is None or here.files:
                return {"test": root}  # One class folder like any other.
            if split in found:
                raise BadSuite(
                    f"Task `{self.task}`: `{self.entry.path}` has two folders for split `{split}`: "
                    f"`{found[split].name}` and `{name}`. Choose one with `splits: {{{split}: {name}}}`."
                )
            found[split] = root / name
        return found or {"test": root}

    def _classes(self, folder: Path) -> list[str]:
        here = level(folder, self.place)
        if here.folders and here.files:
            raise BadSuite(
                f"Task `{self.task}`: `{folder.relative_to(self.files[0].parent)}` should hold class folders or "
                f"images, not both. Found folders ({', '.join(here.folders[:3])}…) beside files "
                f"({', '.join(file.path.name for file in here.files[:3])}…)."
            )
        return here.folders
