"""Zip files from strangers: images come out, nothing else does, and nothing is left when one is refused."""

from __future__ import annotations

import io
import random
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import BadInput, Cancelled
from core.progress import Progress
from core.tasks.describe import describe
from core.tasks.sources import open_source
from core.tasks.sources.folder import FolderData
from core.tasks.zip_upload import unpack
from tests.core.picture_files import everywhere, huge_png, picture


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, "PNG")
    return buffer.getvalue()


def archive(folder: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    path = folder / "images.zip"
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def left(folder: Path) -> list[str]:
    """Everything below a folder beside the archive."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != "images.zip")


@pytest.mark.parametrize("top", ["", "my set/", "a/b/"])
def test_class_folders_become_a_task_folder(top: str, tmp_path: Path) -> None:
    names = {f"{top}{label}/{at}.png": png(at) for label in ("red", "green") for at in range(3)}
    names |= {f"{top}.DS_Store": b"x", "__MACOSX/red/._0.png": b"x"}
    found = unpack(archive(tmp_path, names, zipfile.ZIP_DEFLATED), tmp_path / "set")
    assert (found.images, found.skipped) == (6, ())
    assert left(tmp_path / "set") == sorted(
        ["green", "red", *(f"{label}/{at}.png" for label in ("green", "red") for at in range(3))]
    )
    assert (tmp_path / "set" / "red" / "1.png").read_bytes() == png(1)
    source = open_source("new", FolderData(kind="folder", path="set"), everywhere(tmp_path))
    assert (dict(describe(source).images), source.ids) == ({"test": 6}, ("green", "red"))


def test_images_without_folders_stay_flat(tmp_path: Path) -> None:
    assert unpack(archive(tmp_path, {"set/0.png": png(), "set/1.png": png()}), tmp_path / "set").images == 2


SLIPS = [
    "../x.png", "/x.png", "a/../../x.png", "..", "a/./../..//x.png", "C:/x.png", "..\\x.png", "a\\b.png", "a\x00b.png",
    "con?.png", "x.png ", "a/b/c/d/e/f/g/h/i/j.png", "a" * 300 + ".png",
]  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path, {"ok/0.png": png()})
    placeholder = "n" * len(name)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(placeholder, png())
    # Written as bytes: Python's own writer tidies some of these names up.
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), name.encode()))
    (tmp_path / "inner").mkdir()
    begin = time.monotonic()
    with pytest.raises(BadInput, match=r"images\.zip"):
        unpack(path, tmp_path / "inner" / "set")
    assert time.monotonic() - begin < 1
    assert left(tmp_path) == ["inner"]


def link(folder: Path) -> Path:
    path = folder / "images.zip"
    info = zipfile.ZipInfo("a/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(info, "/etc/hostname")
    return path


def repeated(folder: Path) -> Path:
    return archive(folder, {"a/0.png": png(), "A/0.PNG": png()})


def bomb(folder: Path) -> Path:
    return archive(folder, {"a/0.png": bytes(2**28)}, zipfile.ZIP_DEFLATED)


def many(folder: Path) -> Path:
    return archive(folder, {f"a/{at}.png": b"" for at in range(200)})


def encrypted(folder: Path) -> Path:
    path = archive(folder, {"a/0.png": png()})
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + offset] |= 1
    path.write_bytes(data)
    return path


def no_images(folder: Path) -> Path:
    return archive(folder, {"a/0.png": png(), "a/run.sh": b"#!/bin/sh\n", "b/empty.png": b""})


def image_bomb(folder: Path) -> Path:
    return archive(folder, {"a/0.png": huge_png(30_000, 30_000)})


def empty(folder: Path) -> Path:
    return archive(folder, {})


def no_zip(folder: Path) -> Path:
    (folder / "images.zip").write_bytes(png())
    return folder / "images.zip"


def cut_off(folder: Path) -> Path:
    path = archive(folder, {f"a/{at}.png": png(at) for at in range(4)})
    path.write_bytes(path.read_bytes()[:-100])
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "link": (link, "a link or a device"),
    "the same name twice": (repeated, "more than once"),
    "bomb": (bomb, "claims to unpack"),
    "encrypted": (encrypted, "encrypted"),
    "other files": (no_images, r"2 of 3 files.*a/run\.sh \(no image\), b/empty\.png \(0 bytes\)"),
    "image bomb": (image_bomb, "more than 50,000,000"),
    "empty": (empty, "holds no file"),
    "no zip": (no_zip, "complete .zip file"),
    "cut off": (cut_off, "complete .zip file"),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case == "bomb" else []) for case in HOSTILE]
)
def test_hostile_archives_are_refused_and_leave_nothing(case: str, tmp_path: Path) -> None:
    make, message = HOSTILE[case]
    path = make(tmp_path)
    begin = time.monotonic()
    with pytest.raises(BadInput, match=message) as caught:
        unpack(path, tmp_path / "set")
    assert time.monotonic() - begin < 2
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


@pytest.mark.slow
def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tasks.zip_upload.MAX_MEMBERS", 100)
    with pytest.raises(BadInput, match="200 files"):
        unpack(many(tmp_path), tmp_path / "set")


def test_a_member_that_is_larger_than_declared_is_not_read_on(tmp_path: Path) -> None:
    path = archive(tmp_path, {"a/0.png": png()})
    size = len(png()).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(size) >= 2
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(BadInput):
        unpack(path, tmp_path / "set")
    assert left(tmp_path) == []


def test_what_is_no_image_is_left_out_where_asked(tmp_path: Path) -> None:
    found = unpack(no_images(tmp_path), tmp_path / "set", skip_unreadable=True)
    assert found.images == 1
    assert found.skipped == ("a/run.sh (no image)", "b/empty.png (0 bytes)")
    assert left(tmp_path / "set") == ["a", "a/0.png"]


def test_a_folder_that_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(BadInput, match="already exists"):
        unpack(archive(tmp_path, {"a/0.png": png()}), tmp_path / "set")
    assert left(tmp_path) == ["set"]


def test_unpacking_can_be_cancelled_and_leaves_nothing(tmp_path: Path) -> None:
    class Cancelling(Progress):
        def advance(self, units: int = 1) -> None:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        unpack(archive(tmp_path, {f"a/{at}.png": png() for at in range(3)}), tmp_path / "set", Cancelling())
    assert left(tmp_path) == []


@pytest.mark.slow
def test_damaged_archives_are_refused_or_unpacked_and_never_crash(tmp_path: Path) -> None:
    path, chance = archive(tmp_path, {f"a/{at}.png": png(at) for at in range(3)}), random.Random(0)
    whole, refused = path.read_bytes(), 0
    for at in range(150):
        data = bytearray(whole)
        for _ in range(3):
            # Most of the bytes are pixels; the table of contents is at the end.
            where = chance.randrange(len(data)) if at % 2 else chance.randrange(len(data) - 250, len(data))
            data[where] = chance.randrange(256)
        path.write_bytes(data)
        try:
            unpack(path, tmp_path / f"set{at}", skip_unreadable=bool(at % 3))
        except BadInput:
            refused += 1
    assert refused > 75
    assert all(tmp_path in file.resolve().parents for file in tmp_path.rglob("*"))
