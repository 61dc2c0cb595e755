"""What a source of images offers, whatever its kind: class names, splits, and the images of each split."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from core.errors import BadSuite
from core.lazily import torch
from core.progress import Progress
from core.tasks.cache import ImageCache
from core.tasks.classes import Classes, match
from core.tasks.decode import Fitting
from core.tasks.images import SPLITS, Images, Listing
from core.tasks.sources.parts import Data, Part, parts


@dataclass(frozen=True)
class Place:
    """Where the paths of a suite file lead."""

    resolve: Callable[[str], Path]
    """A path as written -> the file; raises `BadSuite` for one that leads outside."""
    allows: Callable[[Path], bool]
    """Whether a file found on the way, links followed, may be opened."""


class BadImages(BadSuite):
    """Single images of a task can't be used; `problems` has all of them, one line each."""

    def __init__(self, source: Source, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"Task `{source.task}`, `{source.where}`: {'; '.join(problems)}.")


class Source(ABC):
    """The images of one task. Made for one look or one run: it remembers what it has listed."""

    field: ClassVar[str] = "path"
    """The field of `entry` that names a file or folder."""

    def __init__(self, task: str, entry: Data, place: Place) -> None:
        self.task, self.entry, self.place = task, entry, place
        self._listings: dict[str, Listing] = {}

    @property
    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """The source's own names of its classes, in the order of its labels; empty where it has none."""

    @property
    @abstractmethod
    def own_splits(self) -> tuple[str, ...]:
        """Splits that the source itself has; raises `BadSuite` where it can't be read."""

    @abstractmethod
    def look(self, split: str) -> Listing:
        """All images of one of its own splits."""

    def missing(self) -> str | None:
        """What is not there and keeps this source from being read, as one phrase; None where nothing is missing."""
        return None if self.files[0].is_dir() else f"the folder `{self._named}` is missing"

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever any image or label may have changed, or which are used."""
        return hashlib.sha256(repr((*self.state, self.parts, self.entry.skip_unreadable)).encode()).hexdigest()

    def settle(self, wanted: Sequence[str] | Mapping[str, str] | None) -> Classes:
        """The classes that a suite file wants, held against the source's own; raises `BadSuite`."""
        return match(self.task, wanted, self.ids)

    def problems(self, ids: Sequence[str]) -> Sequence[str]:
        """What is wrong with single images and is known before they are decoded, one line each.

        `ids`: the source's names of the task's classes.
        """
        return ()

    @property
    @abstractmethod
    def state(self) -> tuple[object, ...]:
        """What the images and labels depend on, such as names, sizes and times of all files."""

    @property
    def where(self) -> str:
        """What the suite file calls it: a path or an id."""
        return str(self._named)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files or folders whose change means that something else is read."""
        return () if self._named is None else (self.place.resolve(self._named),)

    @property
    def _named(self) -> str | None:
        found: str | None = getattr(self.entry, self.field)
        return found

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Split -> the part of one of the source's own splits that it is."""
        return parts(self.own_splits, self.entry)

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that can be asked for, in the order of `SPLITS`."""
        return tuple(split for split in SPLITS if split in self.parts)

    def count(self, split: str) -> int:
        """How many images a split has, unreadable ones included."""
        part = self.parts[split]
        return len(part.rows(self._listed(part.split).count))

    def labelled(self, split: str) -> bool:
        """Whether a split's labels are known."""
        return self._listed(self.parts[split].split).labels is not None

    def listing(self, split: str) -> Listing:
        """The images of one split that can be asked for."""
        part = self.parts[split]
        own = self._listed(part.split)
        chosen = own if part.whole else own.chosen(part.rows(own.count), part.identity)
        if chosen.count == 0:
            raise BadSuite(f"Task `{self.task}` has no image in split `{split}`; expected at least one.")
        return chosen

    def images(
        self, split: str, classes: Sequence[str], ids: Sequence[str], fitting: Fitting, progress: Progress
    ) -> Images | None:
        """The images of a split at the size the model takes; None where the task does not have it.

        `ids`: the source's names in the order of `classes`; empty where labels are the classes' numbers already.
        """
        if split not in self.parts:
            return None
        if self.ids and not ids:  # Fetched since the suite was read.
            ids = self.settle(classes).ids
        if wrong := self.problems(ids):
            raise BadImages(self, wrong)
        listing = self.listing(split)
        found = ImageCache().images(listing, fitting, progress, skip=self.entry.skip_unreadable)
        if listing.labels is None:
            return Images(found.pixels, None, len(found.skipped))
        labels = self.renumbered(listing.labels[found.rows], split, len(classes), ids)
        return Images(found.pixels, torch.from_numpy(labels), len(found.skipped))

    def renumbered(self, labels: np.ndarray, split: str, classes: int, ids: Sequence[str]) -> np.ndarray:
        """Labels in the source's numbers as numbers of the task's classes, int64; raises `BadSuite` outside them."""
        if ids and self.ids:
            number = {name: index for index, name in enumerate(ids)}
            table = np.array([number.get(name, -1) for name in self.ids], np.int64)
            labels = table[labels]
        if len(labels) and (labels.min() < 0 or labels.max() >= classes):
            raise BadSuite(
                f"Task `{self.task}`: labels of split `{split}` should lie in 0…{classes - 1} ({classes} classes). "
                f"Found {labels.min()}…{labels.max()}."
            )
        return labels.astype(np.int64)

    def _listed(self, split: str) -> Listing:
        if split not in self._listings:
            self._listings[split] = self.look(split)
        return self._listings[split]
