"""Data sets of torchvision, laid out on disk by the test as their publishers lay them out."""

from __future__ import annotations

import csv
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from core.encoders.models import Architecture
from core.encoders.preprocessing import fitting
from core.errors import BadSuite
from core.progress import Progress
from core.tasks.classes import match
from core.tasks.images import Images
from core.tasks.prompts import prompt_set, prompt_sets
from core.tasks.sources import open_source
from core.tasks.sources.torchvision_sets import SETS, TorchvisionData
from tests.core.picture_files import everywhere, fill, picture
from tests.tiny import CONFIG

FITTING = fitting(Architecture("tiny", CONFIG))
Patch = pytest.MonkeyPatch


def opened(root: Path, dataset: str, **entry: Any) -> Any:
    data = TorchvisionData(kind="torchvision", dataset=dataset, root=root.name, **entry)
    return open_source("mine", data, everywhere(root.parent))


def images(root: Path, dataset: str, split: str, **entry: Any) -> Images:
    source = opened(root, dataset, **entry)
    settled = match("mine", prompt_set(SETS[dataset].prompts).classes, source.ids)
    found = source.images(split, settled.names, settled.ids, FITTING, Progress())
    assert found is not None
    return found


def idx(file: Path, array: np.ndarray) -> None:
    """Write the IDX format of MNIST."""
    file.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    file.write_bytes(head + array.astype(np.uint8).tobytes())


def digits(folder: Path, prefix: str = "", first: int = 0) -> None:
    """Four training and two test images of 28 × 28."""
    for split, labels in {"train": [3, 1, 4, 1], "test" if prefix else "t10k": [5, 9]}.items():
        pixels = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), 28, 28))
        idx(folder / f"{prefix}{split}-images-idx3-ubyte", pixels)
        idx(folder / f"{prefix}{split}-labels-idx1-ubyte", np.array(labels) + first)


def mnist(root: Path, _: Patch) -> None:
    digits(root / "MNIST" / "raw")


def kmnist(root: Path, _: Patch) -> None:
    digits(root / "KMNIST" / "raw")


def fashion(root: Path, _: Patch) -> None:
    digits(root / "FashionMNIST" / "raw")


def emnist(root: Path, _: Patch) -> None:
    for name in ("balanced", "byclass", "bymerge", "digits", "letters", "mnist"):
        digits(root / "EMNIST" / "raw", f"emnist-{name}-", first=1)


def eurosat(root: Path, _: Patch) -> None:
    names = ("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop")
    for at, name in enumerate((*names, "Residential", "River", "SeaLake")):
        fill(root / "eurosat" / "2750" / name, 1, ".jpg", seed=at)


def gtsrb(root: Path, _: Patch) -> None:
    base = root / "gtsrb"
    for label in range(43):
        fill(base / "GTSRB" / "Training" / f"{label:05}", 1, ".ppm", seed=label)
    fill(base / "GTSRB" / "Final_Test" / "Images", 3, ".ppm")
    with (base / "GT-final_test.csv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["Filename", "ClassId"])
        rows.writerows([f"{index:03}.ppm", label] for index, label in enumerate([42, 0, 7]))


def dtd(root: Path, _: Patch) -> None:
    base = root / "dtd" / "dtd"
    (base / "labels").mkdir(parents=True)
    for at, name in enumerate(prompt_set("dtd").classes):
        fill(base / "images" / name, 3, ".jpg", seed=at)
    for index, split in enumerate(("train", "val", "test")):
        lines = [f"{name}/{index:03}.jpg\n" for name in prompt_set("dtd").classes]
        (base / "labels" / f"{split}1.txt").write_text("".join(lines))


def svhn(root: Path, patch: Patch) -> None:
    root.mkdir()
    splits = dict(torchvision.datasets.SVHN.split_list)
    for split, labels in {"train": [1, 2, 10, 4], "test": [10, 9]}.items():
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, len(labels)), np.uint8)
        file = root / f"{split}_32x32.mat"
        savemat(file, {"X": pixels, "y": np.array(labels)[:, None]})
        # torchvision holds the file against the published checksum.
        splits[split] = [*splits[split][:2], hashlib.md5(file.read_bytes()).hexdigest()]
    patch.setattr(torchvision.datasets.SVHN, "split_list", splits)


def cars(root: Path, _: Patch) -> None:
    base = root / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    names = np.array(prompt_set("stanford-cars").classes, dtype=object)
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": names})
    kind = [("class", "O"), ("fname", "O")]
    for split, file in {
        "train": "devkit/cars_train_annos.mat",
        "test": "cars_test_annos_withlabels.mat",
    }.items():
        fill(base / f"cars_{split}", 2, ".jpg")
        rows = np.array([(196, "000.jpg"), (1, "001.jpg")], dtype=kind)
        savemat(base / file, {"annotations": rows})


def sst2(root: Path, _: Patch) -> None:
    for split in ("train", "valid", "test"):
        for label in ("negative", "positive"):
            fill(root / "rendered-sst2" / split / label, 2)


def fer2013(root: Path, patch: Patch) -> None:
    base = root / "fer2013"
    base.mkdir(parents=True)
    rows = ["emotion,pixels,Usage"]
    for label, usage in [(6, "Training"), (0, "Training"), (3, "PublicTest"), (6, "PrivateTest")]:
        rows.append(f"{label},{' '.join(str((label * 30 + i) % 256) for i in range(48 * 48))},{usage}")
    (base / "fer2013.csv").write_text("\n".join(rows) + "\n")
    digest = hashlib.md5((base / "fer2013.csv").read_bytes()).hexdigest()
    resources = torchvision.datasets.FER2013._RESOURCES
    patch.setitem(resources, "fer", ("fer2013.csv", digest))


LAYOUTS: dict[str, tuple[Callable[[Path, Patch], None], dict[str, list[int]]]] = {
    "MNIST": (mnist, {"train": [3, 1, 4, 1], "test": [5, 9]}),
    "KMNIST": (kmnist, {"train": [3, 1, 4, 1], "test": [5, 9]}),
    "FashionMNIST": (fashion, {"train": [3, 1, 4, 1], "test": [5, 9]}),
    "EMNIST": (emnist, {"train": [3, 1, 4, 1], "test": [5, 9]}),
    "EuroSAT": (eurosat, {"test": list(range(10))}),
    "GTSRB": (gtsrb, {"train": list(range(43)), "test": [42, 0, 7]}),
    "DTD": (dtd, {split: list(range(47)) for split in ("train", "held-out", "test")}),
    "SVHN": (svhn, {"train": [1, 2, 0, 4], "test": [0, 9]}),
    "StanfordCars": (cars, {"train": [195, 0], "test": [195, 0]}),
    "RenderedSST2": (sst2, {split: [0, 0, 1, 1] for split in ("train", "held-out", "test")}),
    # FER2013 numbers surprise before neutral, the published class names after it.
    "FER2013": (fer2013, {"train": [4, 0], "test": [3, 4]}),
}


@pytest.mark.grid
@pytest.mark.parametrize("dataset", LAYOUTS)
def test_a_data_set_is_read_from_its_published_layout(dataset: str, tmp_path: Path, monkeypatch: Patch) -> None:
    layout, labels = LAYOUTS[dataset]
    layout(tmp_path / "data", monkeypatch)
    source = opened(tmp_path / "data", dataset)
    assert source.splits == tuple(labels)
    assert source.missing() is None
    for split, expected in labels.items():
        found = images(tmp_path / "data", dataset, split)
        assert found.labels is not None
        assert found.labels.tolist() == expected
        assert found.pixels.shape == (len(expected), 16, 16, 3)
    assert images(tmp_path / "data", dataset, "test", held_out=0.5, limit=1).labels is not None
    assert source.fingerprint == opened(tmp_path / "data", dataset).fingerprint


def test_emnist_letters_stand_upright(tmp_path: Path, monkeypatch: Patch) -> None:
    """EMNIST stores its images with rows and columns exchanged."""
    emnist(tmp_path / "data", monkeypatch)
    listing = opened(tmp_path / "data", "EMNIST").listing("test")
    raw = torchvision.datasets.EMNIST(str(tmp_path / "data"), split="letters", train=False)[0][0]
    assert np.array_equal(np.asarray(listing.picture(0)), np.asarray(raw).T)


def test_pictures_are_those_of_the_files(tmp_path: Path, monkeypatch: Patch) -> None:
    gtsrb(tmp_path / "data", monkeypatch)
    listing = opened(tmp_path / "data", "GTSRB").listing("test")
    assert np.array_equal(np.asarray(listing.picture(1)), np.asarray(picture(1)))


def test_a_changed_file_changes_the_fingerprint(tmp_path: Path, monkeypatch: Patch) -> None:
    gtsrb(tmp_path / "data", monkeypatch)
    before = opened(tmp_path / "data", "GTSRB").fingerprint
    picture(77).save(tmp_path / "data" / "gtsrb" / "GTSRB" / "Training" / "00001" / "001.ppm")
    assert opened(tmp_path / "data", "GTSRB").fingerprint != before


@pytest.mark.parametrize("dataset", SETS)
def test_a_data_set_that_is_not_there_is_not_fetched_unasked(dataset: str, tmp_path: Path, monkeypatch: Patch) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("nothing may be fetched")

    monkeypatch.setattr("socket.socket.connect", connect)
    assert "is missing" in opened(tmp_path / "data", dataset).missing()
    (tmp_path / "data").mkdir()
    source = opened(tmp_path / "data", dataset)
    with pytest.raises(BadSuite, match=rf"torchvision should find {dataset} in `data`") as caught:
        source.listing("test")
    assert ("download: true" in str(caught.value)) is (dataset != "FER2013")
    assert "\n" not in str(caught.value)


def test_old_pytorch_files_are_not_opened(tmp_path: Path, monkeypatch: Patch) -> None:
    mnist(tmp_path / "data", monkeypatch)
    (tmp_path / "data" / "MNIST" / "processed").mkdir()
    (tmp_path / "data" / "MNIST" / "processed" / "test.pt").write_bytes(b"anything")
    with pytest.raises(BadSuite, match="old PyTorch files"):
        images(tmp_path / "data", "MNIST", "test")


def test_a_damaged_image_is_named(tmp_path: Path, monkeypatch: Patch) -> None:
    gtsrb(tmp_path / "data", monkeypatch)
    (tmp_path / "data" / "gtsrb" / "GTSRB" / "Final_Test" / "Images" / "001.ppm").write_bytes(b"no image")
    with pytest.raises(BadSuite, match=r"1 of 3 files.*image 1 \(damaged"):
        images(tmp_path / "data", "GTSRB", "test")
    assert images(tmp_path / "data", "GTSRB", "test", skip_unreadable=True).labels.tolist() == [42, 7]


def test_every_data_set_exists_in_torchvision_and_has_published_names() -> None:
    for name, known in SETS.items():
        assert hasattr(torchvision.datasets, name)
        found = prompt_set(known.prompts)
        assert set(known.order or found.classes) == set(found.classes)


COUNTS = {
    "sun397": 397, "stanford-cars": 196, "resisc45": 45, "eurosat": 10, "svhn": 10, "gtsrb": 43, "mnist": 10,
    "dtd": 47, "oxford_flowers102": 102, "pcam": 2, "fer2013": 7, "oxford-iiit-pet": 37, "stl10": 10,
    "cifar100": 100, "cifar10": 10, "food101": 101, "fashion_mnist": 10, "emnist_letters": 26, "kmnist": 10,
    "rendered-sst2": 2,
}  # fmt: skip
"""Classes of the 20 published tasks."""


@pytest.mark.slow
def test_published_prompts_equal_those_of_fusion_bench() -> None:
    from fusion_bench.tasks.clip_classification import get_classnames_and_templates

    assert set(prompt_sets()) == set(COUNTS)
    for name, count in COUNTS.items():
        found = prompt_set(name)
        assert len(found.classes) == len(set(found.classes)) == count
        classes, templates = get_classnames_and_templates(name)
        assert list(found.classes) == list(map(str, classes))
        assert [text.format("CLASS") for text in found.templates] == [make("CLASS") for make in templates]


@pytest.mark.parametrize("dataset", ["Flowers102", "OxfordIIITPet", "CIFAR10", "FashionMNIST", "STL10"])
def test_published_names_are_in_torchvisions_order(dataset: str) -> None:
    own = {
        "OxfordIIITPet": None,
        "CIFAR10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
        "STL10": ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"],
    }.get(dataset, getattr(getattr(torchvision.datasets, dataset), "classes", None))
    published = [name.lower().replace("_", " ") for name in prompt_set(SETS[dataset].prompts).classes]
    if own is None:
        assert published == sorted(published)  # The pets' labels follow the alphabet.
    else:
        assert [name.lower().replace(" ", "").replace("/", "") for name in published] == [
            name.lower().replace(" ", "").replace("/", "") for name in own
        ]
