"""WebDataset shards: keys, labels, splits and patterns; archives that attack whoever reads them."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.encoders.models import Architecture
from core.encoders.preprocessing import fitting
from core.errors import BadSuite
from core.progress import Progress
from core.tasks.decode import fitted
from core.tasks.images import Images
from core.tasks.sources import open_source
from core.tasks.sources.base import BadImages
from core.tasks.sources.shards import Shards, ShardsData, expanded, split_of
from core.tasks.sources.tar_index import holds_images
from tests.core.picture_files import everywhere, picture
from tests.tiny import CONFIG

FITTING = fitting(Architecture("tiny", CONFIG))
CLASSES = ("red", "green", "blue")


def png(seed: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, kind)
    return buffer.getvalue()


def tar(file: Path, members: list[tuple[str, bytes]], kind: int = tarfile.USTAR_FORMAT) -> Path:
    """An archive of these members."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", format=kind) as made:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return file


def samples(labels: list[Any], ending: str = "cls", first: int = 0) -> list[tuple[str, bytes]]:
    """A picture and its label, one after the other."""
    return [
        member
        for at, label in enumerate(labels, first)
        for member in ((f"{at:04}.png", png(at)), (f"{at:04}.{ending}", str(label).encode()))
    ]


def source(root: Path, path: str = "", **entry: Any) -> Shards:
    found = open_source("mine", ShardsData(kind="webdataset", path=path or root.name, **entry), everywhere(root.parent))
    assert isinstance(found, Shards)
    return found


def images(opened: Shards, split: str = "test", classes: Any = CLASSES) -> Images:
    settled = opened.settle(classes)
    found = opened.images(split, settled.names, settled.ids, FITTING, Progress())
    assert found is not None
    return found


def test_shards_are_read_where_they_lie(tmp_path: Path) -> None:
    root = tmp_path / "set"
    tar(root / "imagenet-train-000.tar", samples([0, 2]))
    tar(root / "imagenet-train-001.tar", samples([1], first=2))
    tar(root / "imagenet-validation-00.tar", samples([1, 0, 2], first=3))
    opened = source(root)
    assert opened.splits == ("train", "held-out")
    assert images(opened, "train").labels.tolist() == [0, 2, 1]
    found = images(opened, "held-out")
    assert found.labels.tolist() == [1, 0, 2]
    assert np.array_equal(found.pixels[1].numpy(), fitted(picture(4), FITTING))
    assert sorted(file.name for file in root.iterdir()) == [
        "imagenet-train-000.tar", "imagenet-train-001.tar", "imagenet-validation-00.tar",
    ]  # fmt: skip
    assert source(root, "set/imagenet-train-{000..001}.tar").splits == ("train",)
    alone = source(root, "set/imagenet-validation-00.tar", splits={"test": "validation"})
    assert images(alone).labels.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("ending", "labels"),
    [
        ("cls", [1, 0, 2]),
        ("txt", ["green\n", " Red", "blue"]),
        ("json", [json.dumps(each) for each in ({"label": 1, "other": [1]}, {"class": "red"}, 2)]),
        ("json", ['"green"', '"red"', '"blue"']),
    ],
)
def test_labels_are_numbers_or_names(ending: str, labels: list[Any], tmp_path: Path) -> None:
    if labels[0] == json.dumps({"label": 1, "other": [1]}):
        labels[1] = json.dumps({"class": 0})
    tar(tmp_path / "set.tar", samples(labels, ending))
    opened = source(tmp_path / "set.tar")
    assert opened.splits == ("test",)
    assert images(opened).labels.tolist() == [1, 0, 2]


def test_the_member_with_the_label_can_be_chosen(tmp_path: Path) -> None:
    captions = [(f"{at:04}.txt", b"a long sentence " * 20) for at in range(3)]
    file = tar(tmp_path / "set.tar", [*samples([1, 0, 2]), *captions])
    assert images(source(file)).labels.tolist() == [1, 0, 2]
    assert images(source(file, label=None)).labels is None
    with pytest.raises(BadImages, match=r"set.tar, 0001.txt: a text that is longer than a label; choose another"):
        images(source(file, label="txt"))


def test_names_are_divided_as_webdataset_does(tmp_path: Path) -> None:
    members = [
        ("./a/0.seg.png", png(9)), ("./a/0.JPG", png(0, "JPEG")), ("./a/0.cls", b"1"), ("b/0.webp", png(1, "WEBP")),
        ("b/0.cls", b"2"), ("._0.png", b"x"), (".DS_Store", b"x"), ("a/1.cls", b"0"), ("README", b"x"),
    ]  # fmt: skip
    file = tar(tmp_path / "set.tar", members, tarfile.PAX_FORMAT)
    assert images(source(file)).labels.tolist() == [1, 2]
    with tarfile.open(file, "a") as made:
        made.addfile(tarfile.TarInfo("a"))
    long = tar(tmp_path / "long.tar", [("x" * 300 + ".png", png(0)), ("x" * 300 + ".cls", b"1")], tarfile.GNU_FORMAT)
    assert images(source(long)).labels.tolist() == [1]


def test_all_that_is_wrong_with_labels_is_told_at_once(tmp_path: Path) -> None:
    file = tar(tmp_path / "set.tar", [*samples([1, 7, 7]), ("x.png", png(1)), *samples(["{"], "json", 9)])
    with pytest.raises(BadImages) as caught:
        images(source(file))
    assert list(caught.value.problems) == [
        "set.tar, 0009.json: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "set.tar, x, set.tar, 0009: no label, which other images of split test have",
        "set.tar, 0001, set.tar, 0002: label `7` is none of 0…2",
    ]


def test_patterns_and_splits_in_names() -> None:
    assert list(expanded("a-{08..11}.tar")) == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert list(expanded("{a,b}/{9..10}.tar")) == ["a/9.tar", "a/10.tar", "b/9.tar", "b/10.tar"]
    assert list(expanded("a{x}b")) == ["a{x}b"]
    words: Any = {"train": ("train",), "held-out": ("held-out", "val"), "test": ("test",)}
    found = [split_of(name, words) for name in ("x-train-00.tar", "train/val0.tar", "a_Held-Out.tar", "latest.tar")]
    assert found == ["train", "held-out", "held-out", None]


def test_what_is_missing_or_mixed_is_named(tmp_path: Path) -> None:
    tar(tmp_path / "set" / "train-0.tar", samples([0]))
    assert source(tmp_path / "set", "set/train-{0..3}.tar").missing() == "`set/train-1.tar` is missing, and 2 more"
    for pattern in ("{a,b}" * 20, "{0..999999999}", "{3..1}"):
        with pytest.raises(BadSuite, match="should name 1 to 20,000 files"):
            source(tmp_path / "set", pattern).missing()
    tar(tmp_path / "set" / "more.tar", samples([0]))
    with pytest.raises(BadSuite, match=r"speak of a split, or none. Found `more.tar`"):
        source(tmp_path / "set").splits  # noqa: B018
    (tmp_path / "none").mkdir()
    with pytest.raises(BadSuite, match=r"should have \.tar files"):
        source(tmp_path / "none").splits  # noqa: B018


def test_a_changed_shard_changes_the_fingerprint_and_a_cut_one_fails_by_name(tmp_path: Path) -> None:
    file = tar(tmp_path / "set.tar", samples([0, 1]))
    opened = source(file)
    before = opened.fingerprint
    assert source(file).fingerprint == before
    os.utime(file, (1, 1))
    assert source(file).fingerprint != before
    os.truncate(file, 3000)
    with pytest.raises(BadSuite, match=r"set.tar/0001 \(the archive was cut off\)"):
        images(opened)
    with pytest.raises(BadSuite, match=r"`set.tar` should be a WebDataset shard. Found cut off or damaged"):
        source(file).splits  # noqa: B018
    outside = tar(tmp_path.parent / f"{tmp_path.name}-outside.tar", samples([0]))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x.tar").symlink_to(outside)
    with pytest.raises(BadSuite, match="leads outside"):
        source(tmp_path / "folder").splits  # noqa: B018


def special(kind: bytes, name: str = "0000.png", **about: Any) -> bytes:
    """An archive with one member of another kind before an ordinary sample."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in about.items():
        setattr(info, key, value)
    sample = io.BytesIO()
    with tarfile.open(fileobj=sample, mode="w") as made:
        for inner, data in samples([0]):
            other = tarfile.TarInfo(inner)
            other.size = len(data)
            made.addfile(other, io.BytesIO(data))
    return info.tobuf(tarfile.GNU_FORMAT) + sample.getvalue()


def whole() -> bytes:
    return special(tarfile.REGTYPE, "note")


ATTACKS: dict[str, tuple[bytes, str]] = {
    "link": (special(tarfile.SYMTYPE, linkname="/etc/passwd"), "a link, a device or sparse"),
    "hard link": (special(tarfile.LNKTYPE, linkname="../secret"), "a link, a device or sparse"),
    "device": (special(tarfile.CHRTYPE), "a link, a device or sparse"),
    "pipe": (special(tarfile.FIFOTYPE), "a link, a device or sparse"),
    "sparse bomb": (special(tarfile.GNUTYPE_SPARSE, size=2**40), "cut off|sparse"),
    "absolute path": (special(tarfile.REGTYPE, "/etc/0.png"), "expected plain relative names"),
    "path that leads out": (special(tarfile.REGTYPE, "a/../../0.png"), "expected plain relative names"),
    "control characters": (special(tarfile.REGTYPE, "a\x1b[2J.png"), "expected plain relative names"),
    "bytes that are not there": (special(tarfile.REGTYPE, size=2**40), "cut off or damaged"),
    "negative size": (special(tarfile.REGTYPE, size=-512), "cut off or damaged|no tar"),
    "long name without end": (special(tarfile.GNUTYPE_LONGNAME, size=2**33), "a header of 8,589,934,592 bytes"),
    "pax header without end": (special(tarfile.XHDTYPE, size=2**33), "a header of"),
    "names within names": (special(tarfile.GNUTYPE_LONGNAME, size=1)[:512] * 20_000, "."),
    "sample twice": (special(tarfile.REGTYPE, "0000.png"), "more than once"),
    "packed": (gzip.compress(whole()), "unpack it with `gunzip`"),
    "two in one": (whole() + whole(), "several archives in one file"),
    "no end": (whole()[: whole().rstrip(b"\0").__len__() // 512 * 512 + 512], "cut off or damaged"),
    "damaged in the middle": (whole()[:512].replace(b"note", b"nose") + whole()[512:], "no tar archive"),
    "damaged later": (whole().replace(b"0000.cls", b"0000.clt"), "cut off or damaged at byte"),
    "empty": (b"", "no tar archive"),
    "zeros": (bytes(10_240), "no images"),
    "text": (b"no archive" * 200, "no tar archive"),
    "no images": (special(tarfile.REGTYPE, "note")[:512] + bytes(1024), "no images"),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_archives_that_are_no_shards_are_refused_and_nothing_is_unpacked(case: str, tmp_path: Path) -> None:
    data, message = ATTACKS[case]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "x.tar").write_bytes(data)
    with pytest.raises(BadSuite, match=message) as caught:
        source(tmp_path / "set").rows  # noqa: B018
    assert len(str(caught.value).splitlines()) == 1
    assert [file.name for file in tmp_path.rglob("*")] == ["set", "x.tar"]
    holds_images(tmp_path / "set" / "x.tar")
