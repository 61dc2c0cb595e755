"""`kind: arrays`: images bundled in one .npz file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from PIL import Image

from core.files import sha256
from core.progress import Progress
from core.tasks import arrays
from core.tasks.decode import Fitting
from core.tasks.images import Images
from core.tasks.listing import Listing
from core.tasks.sources.base import Source
from core.tasks.sources.entry import Data


class ArraysData(Data):
    """One .npz file with `<split>_images` and, where they are known, `<split>_labels`."""

    kind: Literal["arrays"]
    path: str


class Arrays(Source):
    """Read whole: what fits into one file fits into memory, and needs no cache."""

    entry: ArraysData

    @property
    def ids(self) -> tuple[str, ...]:
        """None: labels are numbers of the task's classes."""
        return ()

    def missing(self) -> str | None:
        """The file's path, where there is none."""
        return None if self.files[0].is_file() else f"`{self.entry.path}` is not there"

    @cached_property
    def own_splits(self) -> tuple[str, ...]:
        """Read from the archive's table of contents."""
        return arrays.splits(self.files[0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file, and which part is used."""
        content = sha256(self.files[0])
        return content if all(part.whole for part in self.parts.values()) else f"{content} {self.parts}"

    def count(self, split: str) -> int:
        """From the array's header alone."""
        part = self.parts[split]
        return len(part.rows(arrays.count(self.files[0], part.split)))

    def labelled(self, split: str) -> bool:
        """From the archive's table of contents."""
        return arrays.has_labels(self.files[0], self.parts[split].split)

    def look(self, split: str) -> Listing:
        """The images of a split, whatever their labels."""
        found = self._load(split, classes=None)
        labels = None if found.labels is None else found.labels.numpy()
        pixels = found.pixels
        return Listing(
            title=f"task `{self.task}`, split {split}",
            count=len(found),
            labels=labels,
            picture=lambda index: Image.fromarray(np.asarray(pixels[index])),
            name=lambda index: f"image {index}",
            identity=f"{self.fingerprint} {split}",
        )

    def images(
        self, split: str, classes: Sequence[str], ids: Sequence[str], fitting: Fitting, progress: Progress
    ) -> Images | None:
        """As they are in the file: they are brought to the model's size on the device."""
        if split not in self.parts:
            return None
        part = self.parts[split]
        found = self._load(part.split, len(classes))
        if part.whole:
            return found
        rows = torch.from_numpy(part.rows(len(found)))
        return Images(found.pixels[rows], None if found.labels is None else found.labels[rows])

    def _load(self, split: str, classes: int | None) -> Images:
        found = arrays.load_arrays(self.files[0], split, classes)
        assert found is not None  # `own_splits` has looked.
        return found
