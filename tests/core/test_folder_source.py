"""Folders of images: layouts, splits, class names, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from core.encoders.family import architecture
from core.encoders.models import Architecture
from core.encoders.preprocessing import fitting
from core.errors import BadSuite
from core.progress import Progress
from core.suite.find import find
from core.tasks.classes import match
from core.tasks.describe import describe
from core.tasks.images import Images
from core.tasks.sources import open_source
from core.tasks.sources.folder import Folder, FolderData
from tests.core.picture_files import class_folders, everywhere, fill, picture, with_data
from tests.tiny import CONFIG, make_suite

COUNTS = {"red": 3, "green": 2, "blue": 4, "grey": 1}
ARCH = Architecture("tiny", CONFIG)


def source(root: Path, **entry: Any) -> Folder:
    """The source of the folder `root`."""
    found = open_source("mine", FolderData(kind="folder", path=root.name, **entry), everywhere(root.parent))
    assert isinstance(found, Folder)
    return found


def images(root: Path, split: str = "test", classes: tuple[str, ...] | None = None, **entry: Any) -> Images | None:
    """The images of one split, with the folder's own class names unless given."""
    opened = source(root, **entry)
    settled = match("mine", classes, opened.ids)
    return opened.images(split, settled.names, settled.ids, fitting(ARCH), Progress())


def test_class_folders_alone_are_the_test_split(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", COUNTS)
    opened = source(root)
    assert opened.splits == ("test",)
    assert opened.ids == ("blue", "green", "grey", "red")
    found = images(root)
    assert found is not None
    assert found.labels.tolist() == [0] * 4 + [1] * 2 + [2] + [3] * 3
    assert images(root, "train") is None


@pytest.mark.slow
def test_pixels_are_those_of_open_clips_own_preprocessing(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", 3)
    for at, (mode, size) in enumerate([("L", (70, 33)), ("RGBA", (16, 16)), ("P", (50, 20)), ("CMYK", (17, 90))]):
        picture(at, size).convert(mode).save(root / f"x{at}{'.jpg' if mode == 'CMYK' else '.png'}")
    _, _, transform = open_clip.create_model_and_transforms("ViT-B-32", force_image_size=16)
    found = images(root, classes=("a", "b"))
    assert found is not None
    for file, pixels in zip(sorted(root.iterdir()), found.pixels, strict=True):
        expected = transform(Image.open(file))
        mean, std = (torch.tensor(x).view(3, 1, 1) for x in (ARCH.mean, ARCH.std))
        torch.testing.assert_close((pixels.permute(2, 0, 1) / 255 - mean) / std, expected, rtol=0, atol=1e-6)


def test_an_architecture_that_squashes_is_squashed(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", 2)
    arch = architecture("ViT-H-14-378-quickgelu")
    assert (arch.resize_mode, arch.input_size) == ("squash", (378, 378))
    found = source(root).images("test", ("a", "b"), (), fitting(arch), Progress())
    assert found is not None
    expected = np.asarray(Image.open(root / "000.png").resize((378, 378), Image.Resampling.BICUBIC))
    assert np.array_equal(found.pixels[0].numpy(), expected)


@pytest.mark.parametrize("word", ["val", "valid", "Validation", "held-out", "held_out"])
def test_split_folders_are_recognised_by_their_usual_names(word: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for at, split in enumerate(["train", word, "test"]):
        class_folders(root / split, COUNTS, seed=10 * at)
    opened = source(root)
    assert opened.splits == ("train", "held-out", "test")
    assert [opened.count(split) for split in opened.splits] == [10, 10, 10]
    assert opened.ids == ("blue", "green", "grey", "red")
    assert not torch.equal(images(root, "train").pixels[:], images(root, "held-out").pixels[:])


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"train": 2, "bus": 2, "tram": 1})
    assert (source(root).splits, source(root).ids) == (("test",), ("bus", "train", "tram"))


def test_images_without_class_folders_are_unlabelled(tmp_path: Path) -> None:
    found = images(fill(tmp_path / "set", 5), classes=("a", "b"))
    assert found is not None
    assert (len(found), found.labels) == (5, None)


def test_a_split_without_class_folders_beside_one_with_them(tmp_path: Path) -> None:
    class_folders(tmp_path / "set" / "train", COUNTS)
    fill(tmp_path / "set" / "test", 3)
    assert images(tmp_path / "set", "train").labels is not None
    assert images(tmp_path / "set", "test").labels is None


def test_folders_inside_class_folders_belong_to_the_class(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", COUNTS)
    fill(root / "red" / "more" / "deeper", 2, seed=9)
    assert images(root).labels.tolist().count(3) == 5


def test_named_folders_win_over_their_names(tmp_path: Path) -> None:
    class_folders(tmp_path / "set" / "a", COUNTS)
    class_folders(tmp_path / "set" / "b", COUNTS, seed=5)
    opened = source(tmp_path / "set", splits={"train": "a", "test": "b"})
    assert opened.splits == ("train", "test")
    with pytest.raises(BadSuite, match="should have the folders `c`"):
        _ = source(tmp_path / "set", splits={"test": "c"}).splits


def test_held_out_images_are_taken_from_train_once_and_for_all(tmp_path: Path) -> None:
    root = tmp_path / "set"
    class_folders(root / "train", {"a": 30, "b": 30})
    class_folders(root / "test", {"a": 3, "b": 3})
    opened = source(root, held_out=0.2)
    assert [opened.count(split) for split in opened.splits] == [48, 12, 6]
    held, rest = (opened.listing(split) for split in ("held-out", "train"))
    names = [{each.name(index) for index in range(each.count)} for each in (held, rest)]
    assert names[0].isdisjoint(names[1])
    assert len(names[0] | names[1]) == 60
    again = source(root, held_out=0.2).listing("held-out")
    assert {again.name(index) for index in range(again.count)} == names[0]
    other = source(root, held_out=0.2, held_out_seed=1).listing("held-out")
    assert {other.name(index) for index in range(other.count)} != names[0]
    assert describe(opened).held_out == "0.2 of train held out, seed 0"
    assert len(images(root, "held-out", held_out=0.2)) == 12


def test_held_out_images_come_from_test_where_there_is_no_train_and_leave_it(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"a": 20, "b": 20})
    opened = source(root, held_out=0.25)
    assert {split: opened.count(split) for split in opened.splits} == {"held-out": 10, "test": 30}
    assert describe(opened).held_out == "0.25 of test held out, seed 0"


def test_an_own_held_out_split_is_kept(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        class_folders(tmp_path / "set" / split, COUNTS)
    opened = source(tmp_path / "set", held_out=0.5)
    assert [opened.count(split) for split in opened.splits] == [10, 10, 10]
    assert describe(opened).held_out == ""


def test_a_limit_takes_images_of_all_classes(tmp_path: Path) -> None:
    found = images(class_folders(tmp_path / "set", {"a": 20, "b": 20, "c": 20}), limit=6)
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2] or sorted(set(found.labels.tolist())) == [0, 1, 2]
    assert len(found) == 6


def test_labels_follow_the_classes_not_the_folders(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"a": 1, "b": 2})
    assert images(root, classes=("B", "A")).labels.tolist() == [1, 0, 0]


def test_numbered_class_folders_are_in_order_of_their_numbers(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {str(number): 1 for number in (10, 9, 2, 1)})
    assert source(root).ids == ("1", "2", "9", "10")


def test_a_changed_folder_has_another_fingerprint(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", COUNTS)
    before = source(root).fingerprint
    assert source(root).fingerprint == before
    picture(99).save(root / "red" / "new.png")
    assert source(root).fingerprint != before
    assert len(images(root)) == 11


@pytest.mark.slow
def test_folders_merge_from_the_command_line(tmp_path: Path, cli: Any) -> None:
    """Labelled, unlabelled and split folders in one suite, class names from folders, held-out images from train."""
    suite = make_suite(tmp_path / "suite")
    folder = suite.parent
    class_folders(folder / "labelled", COUNTS)
    fill(folder / "flat", 6)
    for split in ("train", "test"):
        class_folders(folder / "split" / split, COUNTS)
    with_data(suite, 0, {"kind": "folder", "path": "labelled"}, classes=None)
    with_data(suite, 1, {"kind": "folder", "path": "flat"})
    with_data(suite, 2, {"kind": "folder", "path": "split", "held_out": 0.3}, classes=None, expert=None)
    assert [task.classes[0] for task in find(str(suite)).tasks] == ["blue", "red", "blue"]
    report = cli("merge", suite, "--set", "steps=2", "--set", "batch=4", "--precision", "float32", "--json").data
    rows = {row["name"]: row for row in report["tasks"]}
    assert rows["task0"]["accuracy"] is not None
    assert (rows["task1"]["accuracy"], rows["task1"]["ci95"], rows["task1"]["normalised"]) == (None, None, None)
    assert rows["task2"]["expert_accuracy"] is None
    assert report["average_accuracy"] == rows["task0"]["accuracy"]
    assert report["coefficients"]["tasks"] == ["task0", "task1"]
    assert all(len(row) == 2 and None not in row for row in report["entropy"])
    missing = cli("merge", with_data(suite, 1, {"kind": "folder", "path": "nowhere"}))
    missing.refused("images of task1: the folder `nowhere` is missing")
