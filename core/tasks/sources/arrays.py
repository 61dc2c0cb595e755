"""`kind: arrays`: images bundled in one .npz file.

It holds `<split>_images` uint8 `[N, H, W, 3]` and, where they are known, `<split>_labels` int64 `[N]`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from core.errors import BadSuite
from core.files import sha256
from core.lazily import torch
from core.progress import Progress
from core.tasks.decode import Fitting
from core.tasks.images import SPLITS, Images, Listing
from core.tasks.sources.base import Source
from core.tasks.sources.parts import Data

MAX_BYTES = 16 * 2**30
DAMAGED = (OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What zip and NumPy raise for damaged, encrypted or foreign archives."""


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
        return None if self.files[0].is_file() else f"`{self.entry.path}` is missing"

    @cached_property
    def own_splits(self) -> tuple[str, ...]:
        """Read from the archive's table of contents."""
        return tuple(split for split in SPLITS if f"{split}_images" in names(self.files[0]))

    @property
    def state(self) -> tuple[object, ...]:
        """SHA-256 of the file."""
        return (sha256(self.files[0]),)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file, and which part is used."""
        [content] = map(str, self.state)
        return content if all(part.whole for part in self.parts.values()) else f"{content} {self.parts}"

    def count(self, split: str) -> int:
        """From the array's header alone."""
        part = self.parts[split]
        return len(part.rows(count(self.files[0], part.split)))

    def labelled(self, split: str) -> bool:
        """From the archive's table of contents."""
        return f"{self.parts[split].split}_labels" in names(self.files[0])

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
        found = load_arrays(self.files[0], split, classes)
        assert found is not None  # `own_splits` has looked.
        return found


def load_arrays(path: Path, split: str, classes: int | None) -> Images | None:
    """The images of `split` in the .npz file at `path`; None where the file does not have this split.

    Labels are held against the number of `classes`, where it is given.

    Raises `BadSuite` where the file is damaged or its arrays are not what is described above.
    """
    with _failures_named(path, split):
        with zipfile.ZipFile(path) as archive:
            declared = sum(info.file_size for info in archive.infolist())
        if declared > MAX_BYTES:
            raise BadSuite(
                f"`{path.name}` declares {declared >> 30} GiB; expected at most {MAX_BYTES >> 30} GiB of images."
            )
        with np.load(path, allow_pickle=False) as arrays:
            if f"{split}_images" not in arrays.files:
                return None
            pixels = np.asarray(arrays[f"{split}_images"])
            labels = np.asarray(arrays[f"{split}_labels"]) if f"{split}_labels" in arrays.files else None
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        raise BadSuite(f"`{path.name}` should hold {_expected(split)}. Found {pixels.dtype} {list(pixels.shape)}.")
    if 0 in pixels.shape[1:]:
        raise BadSuite(f"`{path.name}`: images of split `{split}` have no pixels; found {list(pixels.shape)}.")
    if len(pixels) == 0:
        raise BadSuite(f"`{path.name}` has no image in split `{split}`; expected at least one.")
    return Images(torch.from_numpy(pixels), _checked_labels(path, split, labels, len(pixels), classes))


def names(path: Path) -> frozenset[str]:
    """The arrays in the .npz file at `path`; reads its table of contents alone."""
    with _failures_named(path, "test"), zipfile.ZipFile(path) as archive:
        return frozenset(name.removesuffix(".npy") for name in archive.namelist())


def count(path: Path, split: str) -> int:
    """How many images `split` has in the .npz file at `path`; reads the header of its array alone."""
    with _failures_named(path, split), zipfile.ZipFile(path) as archive, archive.open(f"{split}_images.npy") as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape = np.lib.format.read_array_header_1_0(file)[0]
        else:
            shape = np.lib.format.read_array_header_2_0(file)[0]
        return int(shape[0])


@contextmanager
def _failures_named(path: Path, split: str) -> Iterator[None]:
    """Whatever zip and NumPy raise for a damaged file, as `BadSuite`."""
    try:
        yield
    except DAMAGED as error:
        raise BadSuite(
            f"`{path.name}` should be a .npz file with {_expected(split)}. Found: {type(error).__name__}: {error}. "
            f"Splits: {', '.join(SPLITS)}."
        ) from None


def _expected(split: str) -> str:
    return f"`{split}_images` uint8 [N, H, W, 3] and, if known, `{split}_labels` integers [N]"


def _checked_labels(
    path: Path, split: str, labels: np.ndarray | None, count: int, classes: int | None
) -> torch.Tensor | None:
    if labels is None:
        return None
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise BadSuite(
            f"`{path.name}` should hold {_expected(split)}. Found labels {labels.dtype} {list(labels.shape)}."
        )
    if classes is not None and (labels.min() < 0 or labels.max() >= classes):
        raise BadSuite(
            f"`{path.name}`: labels of split `{split}` should lie in 0…{classes - 1} ({classes} classes). "
            f"Found {labels.min()}…{labels.max()}."
        )
    return torch.from_numpy(labels.astype(np.int64))
