"""Images bundled in one .npz file: `<split>_images` uint8 `[N, H, W, 3]` and `<split>_labels` int64 `[N]`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from core.errors import BadSuite
from core.tasks.images import SPLITS, Images

MAX_BYTES = 16 * 2**30
DAMAGED = (OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What zip and NumPy raise for damaged, encrypted or foreign archives."""


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


def splits(path: Path) -> tuple[str, ...]:
    """The splits that the .npz file at `path` has images of; reads its table of contents alone."""
    with _failures_named(path, "test"), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    return tuple(split for split in SPLITS if f"{split}_images.npy" in names)


def has_labels(path: Path, split: str) -> bool:
    """Whether the .npz file at `path` has labels of `split`; reads its table of contents alone."""
    with _failures_named(path, split), zipfile.ZipFile(path) as archive:
        return f"{split}_labels.npy" in archive.namelist()


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
