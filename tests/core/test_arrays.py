"""Image arrays of a task: other forms and damaged archives are refused by name, and what fits is read exactly."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import BadSuite
from core.tasks.sources.arrays import load_arrays


def archive(folder: Path, **arrays: Any) -> Path:
    """The image file of task0 with these arrays."""
    path = folder / "task0.npz"
    np.savez_compressed(path, **arrays)
    return path


PIXELS = np.zeros((4, 8, 8, 3), np.uint8)
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "floats": ({"test_images": PIXELS.astype(np.float32)}, "Found float32"),
    "channels first": ({"test_images": PIXELS.transpose(0, 3, 1, 2)}, r"Found uint8 \[4, 3, 8, 8\]"),
    "grey": ({"test_images": PIXELS[..., :1]}, r"Found uint8 \[4, 8, 8, 1\]"),
    "one image": ({"test_images": PIXELS[0]}, r"Found uint8 \[8, 8, 3\]"),
    "no image": ({"test_images": PIXELS[:0]}, "no image in split `test`"),
    "no pixels": ({"test_images": PIXELS[:, :0]}, "no pixels"),
    "objects": ({"test_images": np.array([{}, {}], dtype=object)}, "Object arrays cannot be loaded"),
    "too few labels": ({"test_images": PIXELS, "test_labels": np.arange(3)}, r"Found labels int64 \[3\]"),
    "float labels": ({"test_images": PIXELS, "test_labels": np.zeros(4)}, "Found labels float64"),
    "one-hot labels": ({"test_images": PIXELS, "test_labels": np.eye(4, dtype=int)}, r"Found labels int64 \[4, 4\]"),
    "negative label": (
        {"test_images": PIXELS, "test_labels": np.array([0, -1, 2, 3])},
        r"0…3 \(4 classes\). Found -1…3",
    ),
    "label beyond": ({"test_images": PIXELS, "test_labels": np.array([0, 1, 2, 4])}, r"0…3 \(4 classes\). Found 0…4"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_images_of_another_form_are_refused_by_name(case: str, tmp_path: Path) -> None:
    arrays, message = ARRAYS[case]
    with pytest.raises(BadSuite, match=message) as caught:
        load_arrays(archive(tmp_path, **arrays), "test", 4)
    assert "`task0.npz`" in str(caught.value)


def test_images_without_labels_and_splits_that_are_not_there(tmp_path: Path) -> None:
    path = archive(tmp_path, test_images=PIXELS)
    found = load_arrays(path, "test", 4)
    assert found is not None
    assert (len(found), found.labels) == (4, None)
    assert load_arrays(path, "train", 4) is None


@pytest.mark.parametrize("dtype", ["uint8", "int32", ">i8", "uint64"])
def test_labels_of_any_integer_type_become_int64(dtype: str, tmp_path: Path) -> None:
    found = load_arrays(archive(tmp_path, test_images=PIXELS, test_labels=np.array([3, 1, 2, 0], dtype)), "test", 4)
    assert found is not None
    assert found.labels is not None
    assert (found.labels.dtype, found.labels.tolist()) == (torch.int64, [3, 1, 2, 0])


@pytest.mark.slow
def test_damaged_archives_are_refused_or_read_and_never_crash(tmp_path: Path) -> None:
    path, chance, refused = archive(tmp_path, test_images=PIXELS, test_labels=np.arange(4)), random.Random(0), 0
    whole = path.read_bytes()
    for _ in range(300):
        data = bytearray(whole)
        at = chance.randrange(len(data))
        data[at : at + chance.randrange(4)] = bytes(chance.randrange(256) for _ in range(chance.randrange(4)))
        path.write_bytes(data)
        try:
            load_arrays(path, "test", 4)
        except BadSuite:
            refused += 1
    assert refused > 200
