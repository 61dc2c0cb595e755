"""Folders of images that can't be used as they are: refused with every name, or skipped where asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from core.errors import BadSuite
from tests.core.picture_files import class_folders, fill, huge_png, picture
from tests.core.test_folder_source import COUNTS, images, source


@pytest.mark.slow
def test_everything_that_is_no_image_is_named_at_once(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", COUNTS)
    (root / "red" / "empty.png").touch()
    (root / "red" / "notes.txt").write_text("no image")
    (root / "blue" / "page.png").write_text("<html>")
    (root / "blue" / "half.jpg").write_bytes(_jpeg(root)[:-300])
    (root / "grey" / "bomb.png").write_bytes(huge_png(30_000, 30_000))
    (root / "grey" / "drawing.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    os.mkfifo(root / "grey" / "pipe.png")
    with pytest.raises(BadSuite, match="task `mine`, split test: 7 of 17 files can't be used as images") as caught:
        images(root)
    text = str(caught.value)
    for name, reason in {
        "red/empty.png": "0 bytes", "red/notes.txt": "no image", "blue/page.png": "no image",
        "blue/half.jpg": "damaged", "grey/bomb.png": "pixels", "grey/drawing.eps": "no image",
        "grey/pipe.png": "0 bytes",
    }.items():  # fmt: skip
        assert f"{name} ({reason}" in text or f"{name} (" in text
        assert reason in text
    assert "skip_unreadable: true" in text
    assert "\n" not in text


def test_unreadable_images_are_left_out_where_asked_and_labels_stay_right(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"a": 2, "b": 2})
    clean = images(root)
    (root / "a" / "000a.png").write_text("no image")
    (root / "b" / "zzz.png").touch()
    found = images(root, skip_unreadable=True)
    assert found.labels.tolist() == clean.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(found.pixels[:], clean.pixels[:])
    for file in root.rglob("*.png"):
        file.write_text("no image")
    with pytest.raises(BadSuite, match=r"6 of 6 files.*no image is left"):
        images(root, skip_unreadable=True)


def test_hidden_files_and_what_systems_leave_behind_do_not_count(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", COUNTS)
    for name in (".DS_Store", "Thumbs.db", "red/desktop.ini", "red/._000.png"):
        (root / name).write_text("x")
    (root / "__MACOSX").mkdir()
    assert len(images(root)) == 10


@pytest.mark.parametrize("name", ["link", "red/link", "red/link.png"])
def test_links_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    root = class_folders(tmp_path / "suite" / "set", COUNTS)
    outside = fill(tmp_path / "outside", 1)
    (root / name).symlink_to(outside if name.endswith("link") else outside / "000.png")
    with pytest.raises(BadSuite, match="leads outside the suite's folder"):
        images(root)


def test_links_that_stay_inside_are_followed(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", COUNTS)
    (root / "red" / "again.png").symlink_to(root / "red" / "000.png")
    assert len(images(root)) == 11


def test_folders_that_contain_themselves_end(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", COUNTS)
    (root / "red" / "self").symlink_to(root / "red")
    with pytest.raises(BadSuite, match="nested more than 8 folders deep"):
        images(root)


MIXED = {
    "images beside class folders": (lambda root: fill(root, 2), "class folders or images, not both"),
    "two folders for one split": (
        lambda root: [class_folders(root / name, COUNTS) for name in ("test", "testing")],
        "two folders for split `test`",
    ),
}


@pytest.mark.parametrize("case", MIXED)
def test_layouts_that_can_be_read_in_two_ways_are_refused(case: str, tmp_path: Path) -> None:
    make, message = MIXED[case]
    root = tmp_path / "set"
    if case.startswith("images"):
        class_folders(root, COUNTS)
    make(root)
    with pytest.raises(BadSuite, match=message):
        _ = source(root).ids


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(BadSuite, match="no image in split `test`"):
        images(tmp_path / "set", classes=("a", "b"))


def _jpeg(folder: Path) -> bytes:
    path = folder.parent / "whole.jpg"
    picture(0, (80, 60)).save(path)
    return path.read_bytes()
