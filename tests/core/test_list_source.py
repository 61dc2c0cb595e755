"""Lists of images: dialects, columns, labels and splits, and one table of all that is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.encoders.models import Architecture
from core.encoders.preprocessing import fitting
from core.errors import BadSuite
from core.problem.examine import check
from core.progress import Progress
from core.suite.find import find
from core.tasks.decode import fitted
from core.tasks.describe import describe, pictures
from core.tasks.images import Images
from core.tasks.sources import open_source
from core.tasks.sources.base import BadImages
from core.tasks.sources.lists import ImageList, ListData
from core.tasks.sources.tables import holds_list
from core.tasks.task import OpenedTasks
from tests.core.picture_files import everywhere, fill, picture, with_data
from tests.tiny import CONFIG, make_suite

FITTING = fitting(Architecture("tiny", CONFIG))
CLASSES = ("red", "green", "blue")
LABELS = ("red", "blue", "red", "green", "blue", "red")
SPLITS = ("train", "Test", "val", "test", "train", "test")
FILES = tuple(f"img/{at:03}.png" for at in range(6))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with six pictures below `img`."""
    fill(tmp_path / "set" / "img", 6)
    return tmp_path / "set"


def source(root: Path, text: str | bytes | None = None, name: str = "list.csv", **entry: Any) -> ImageList:
    """The source of a list with this text."""
    if text is not None:
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = open_source("mine", ListData(kind="list", path=f"set/{name}", **entry), everywhere(root.parent))
    assert isinstance(found, ImageList)
    return found


def images(opened: ImageList, split: str = "test", classes: Any = CLASSES) -> Images:
    settled = opened.settle(classes)
    found = opened.images(split, settled.names, settled.ids, FITTING, Progress())
    assert found is not None
    return found


def written(separator: str, names: tuple[str, ...] | None = ("filepath", "label", "split")) -> str:
    rows = zip(FILES, LABELS, SPLITS, strict=True)
    return "\n".join(separator.join(row) for row in [*([names] if names else []), *rows]) + "\n"


DIALECTS: dict[str, bytes] = {
    "comma": written(",").encode(),
    "tab": written("\t").encode(),
    "semicolon of a spreadsheet": written(";").replace("\n", "\r\n").encode("utf-8-sig"),
    "bar": written("|").encode(),
    "space, no heading": written(" ", None).encode(),
    "no heading": written(",", None).encode(),
    "UTF-16": written("\t").encode("utf-16"),
    "quoted": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in written(",").split()).encode(),
    "Windows paths": written(",").replace("/", "\\").encode(),
    "empty lines": written(",").replace("\n", "\n\n").encode(),
    "other names": written(",", ("File Name", "class", "Partition")).encode(),
    "names that say nothing": written(",", ("a", "b", "c")).encode(),
    "old Macintosh": written(",").replace("\n", "\r").encode(),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_separators_encodings_and_columns_are_told_by_content(dialect: str, root: Path) -> None:
    opened = source(root, DIALECTS[dialect])
    assert opened.splits == ("train", "held-out", "test")
    assert {split: opened.count(split) for split in opened.splits} == {"train": 2, "held-out": 1, "test": 3}
    found = images(opened)
    assert found.labels.tolist() == [2, 1, 0]
    assert np.array_equal(found.pixels[2].numpy(), fitted(picture(5), FITTING))
    assert holds_list(root / "list.csv")


@pytest.mark.slow
def test_parquet_is_a_list_too(root: Path) -> None:
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"label": LABELS, "image_path": FILES, "split": SPLITS})
    table.to_parquet(root / "list.bin", index=False)
    assert images(source(root, name="list.bin")).labels.tolist() == [2, 1, 0]
    assert holds_list(root / "list.bin")
    numbered = table.assign(label=[0.0, 2.0, 0.0, 1.0, 2.0, None]).astype({"split": "category"})
    numbered.to_parquet(root / "list.bin")
    with pytest.raises(BadImages, match=r"row 6: no label, which other images of split test have"):
        images(source(root, name="list.bin"))
    table.assign(image_path=[{"bytes": b"", "path": ""}] * 6, label=0).to_parquet(root / "list.bin")
    with pytest.raises(BadSuite, match="the columns label, split; name it with `image`"):
        source(root, name="list.bin").splits  # noqa: B018


def test_without_splits_all_images_are_the_test_split_and_may_be_held_out(root: Path) -> None:
    opened = source(root, "path,label\n" + "\n".join(f"{FILES[at]},{LABELS[at]}" for at in range(6)), held_out=0.5)
    assert opened.splits == ("held-out", "test")
    assert sorted([*images(opened).labels.tolist(), *images(opened, "held-out").labels.tolist()]) == [0, 0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    "text", ["\n".join(FILES), "path\n" + "\n".join(FILES), "path,label\n" + ",\n".join(FILES) + ","]
)
def test_unlabelled_lists_have_no_labels(text: str, root: Path) -> None:
    opened = source(root, text)
    assert opened.count("test") == 6
    assert images(opened).labels is None
    assert not opened.labelled("test")
    assert describe(opened).labelled == {"test": False}
    assert len(pictures(opened, 3, 3)) == 3


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (("red", "green", "blue"), [0, 2, 0, 1, 2, 0]),
        (("Blue", "a fourth", "GREEN", "red"), [3, 0, 3, 2, 0, 3]),
        ({"red": "rouge", "blue": "bleu", "green": "vert"}, [0, 1, 0, 2, 1, 0]),
        (None, [2, 0, 2, 1, 0, 2]),
    ],
)
def test_labels_that_are_names_are_matched_by_name(classes: Any, labels: list[int], root: Path) -> None:
    opened = source(root, written(","))
    settled = opened.settle(classes)
    found = {split: images(opened, split, classes).labels.tolist() for split in opened.splits}
    assert found == {"train": [labels[0], labels[4]], "held-out": [labels[2]], "test": [labels[at] for at in (1, 3, 5)]}
    assert len(settled.ids) == len(settled.names)


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        ("0 2 0 1 2 0", CLASSES, [0, 2, 0, 1, 2, 0]),
        ("0 2 0 0 2 0", CLASSES, [0, 2, 0, 0, 2, 0]),
        ("5 7 5 7 7 7", ("7", "5"), [1, 0, 1, 0, 0, 0]),
        ("5 7 5 7 7 7", {"7": "seven", "5": "five"}, [1, 0, 1, 0, 0, 0]),
    ],
)
def test_labels_that_are_numbers_count_the_classes_from_0(
    labels: str, classes: Any, numbers: list[int], root: Path
) -> None:
    opened = source(root, "".join(f"{file}\t{label}\n" for file, label in zip(FILES, labels.split(), strict=True)))
    assert images(opened, "test", classes).labels.tolist() == numbers
    with pytest.raises(BadSuite, match="are numbers; give `classes`"):
        opened.settle(None)


def test_columns_and_words_for_splits_can_be_named(root: Path) -> None:
    text = "id,image,width,kind,fold\n" + "".join(
        f"{at},{FILES[at][4:-4]}.png,40,{LABELS[at]},{at % 3}\n" for at in range(6)
    )
    with pytest.raises(
        BadSuite, match=r"the columns id, image, width, kind, fold; name the one of labels with `label`"
    ):
        source(root, text).splits  # noqa: B018
    opened = source(root, text, label="kind", split="fold", splits={"train": "0", "test": "2"}, folder="set/img")
    assert opened.splits == ("train", "test")
    assert images(opened).labels.tolist() == [0, 0]
    assert images(source(root, text, label=None, folder="set/img")).labels is None
    with pytest.raises(BadSuite, match="and no `sort`"):
        source(root, text, label="sort").splits  # noqa: B018


def test_everything_that_is_wrong_is_told_at_once_with_its_lines(root: Path) -> None:
    secret = fill(root.parent.parent / f"{root.parent.name}-outside", 1)
    (root / "img" / "link.png").symlink_to(secret / "000.png")
    (root / "img" / "inside.png").symlink_to(root / "img" / "000.png")
    lines = [
        "path,label,split",
        "img/000.png,red,test",
        "img/nowhere.png,red,test",
        "img/001.png,gren,test",
        f"{secret}/000.png,red,test",
        "../../../etc/passwd,red,test",
        "img/link.png,red,test",
        "img/inside.png,red,test",
        "img,red,test",
        "img/002.png,red,tset",
        "img/003.png,,test",
        "img/004.png,gren,train",
        "img/005.png,red",
        ",red,train",
        f"{'x' * 300}.png,red,train",
    ]
    opened = source(root, "\n".join(lines))
    assert all(picture.size == (40, 30) for picture in pictures(opened, 99, 3))
    assert len(pictures(opened, 99, 3)) == 4
    with pytest.raises(BadImages) as caught:
        images(opened)
    assert list(caught.value.problems) == [
        "line 13: 2 columns where 3 are expected",
        "line 10: split `tset` is none of train, training, held-out, held_out, heldout, val, valid, validation, dev, "
        "test, testing, eval",
        "line 3: `img/nowhere.png` is missing",
        f"line 5: `{secret}/000.png` leads outside the suite's folder and the checkpoint folders",
        "line 6: `../../../etc/passwd` leads outside the suite's folder and the checkpoint folders",
        "line 7: `img/link.png` leads outside the suite's folder and the checkpoint folders",
        "line 9: `img` is missing",
        "line 14: no path",
        f"line 15: `{'x' * 120}` is missing",
        "line 11: no label, which other images of split test have",
        "lines 4, 12: label `gren` is none of red, green, blue; perhaps `green` is meant",
    ]


def test_many_problems_are_counted_and_missing_files_can_be_left_out(root: Path) -> None:
    text = "path,label\n" + "".join(f"img/{at:03}.png,{'red' if at % 2 else 'blue'}\n" for at in range(100))
    with pytest.raises(BadImages) as caught:
        images(source(root, text))
    assert len(caught.value.problems) == 31
    assert caught.value.problems[-1] == "and 64 more missing images"
    found = images(source(root, text, skip_unreadable=True))
    assert (found.labels.tolist(), found.skipped) == ([2, 0, 2, 0, 2, 0], 94)
    text += "".join(f"img/000.png,{at}\n" for at in range(40))
    with pytest.raises(BadImages, match=r"label `0` is none of red, green, blue.*and 10 more other labels"):
        images(source(root, text, skip_unreadable=True))


@pytest.mark.slow
def test_check_lists_one_row_per_problem(root: Path) -> None:
    suite = make_suite(root)
    text = "path,label\nimg/000.png,red\nimg/x.png,green\nimg/y.png,green\nimg/001.png,3\n"
    (root / "list.csv").write_text(text)
    with_data(suite, 0, {"kind": "list", "path": "list.csv"}, classes=["red", "green"])
    found = check(find(str(suite))).complaints
    assert [(one.role, one.file, one.message) for one in found] == [
        ("images of task0", "list.csv", "line 3: `img/x.png` is missing"),
        ("images of task0", "list.csv", "line 4: `img/y.png` is missing"),
        ("images of task0", "list.csv", "line 5: label `3` is none of red, green"),
    ]
    with pytest.raises(BadSuite, match=r"Task `task0`, `list.csv`: line 3: .* is missing; line 4: "):
        OpenedTasks("tiny", find(str(suite)).tasks, FITTING)


def test_a_changed_image_or_label_changes_the_fingerprint(root: Path) -> None:
    before = source(root, written(",")).fingerprint
    assert source(root).fingerprint == before
    assert source(root, written(",").replace("red", "blue", 1)).fingerprint != before
    source(root, written(","))
    os.utime(root / FILES[0], (1, 1))
    assert source(root).fingerprint != before


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "nothing in it"),
    "separators alone": (b",,,\n,,,\n", "nothing in it"),
    "numbers": (b"a,b\n1,2\n3,4\n", "no column with paths of images; name it with `image`"),
    "page": (b"<html><body>no list</body></html>", "no column with paths"),
    "two columns of paths": (b"one,two\na.png,b.png\n", "several of them with paths; name it with `image`"),
    "zero bytes": (bytes(5000), "which is in no text|unknown encoding"),
    "noise": (bytes(np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8)), "."),
    "endless quote": (b'path,label\n"img/000.png,' + b"x" * 200_000, "a line of 200,013 characters"),
    "many columns": (b"," * 3000 + b"a.png\n", "3001 columns"),
    "cut Parquet": (b"PAR1" + bytes(100), "damaged Parquet"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_list_gets_one_line(case: str, root: Path) -> None:
    text, message = BROKEN[case]
    with pytest.raises(BadSuite, match=message) as caught:
        source(root, text).splits  # noqa: B018
    assert "should be a list of images as CSV, TSV or Parquet" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not holds_list(root / "list.csv") or case == "two columns of paths"


def test_a_missing_list_is_named(root: Path) -> None:
    assert source(root, name="nope.csv").missing() == "`set/nope.csv` is missing"
