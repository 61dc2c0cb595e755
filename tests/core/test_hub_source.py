"""Data sets of the hub as tables on disk: snapshots, columns, splits, and what is never run or followed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from core.encoders.models import Architecture
from core.encoders.preprocessing import fitting
from core.errors import BadSuite
from core.progress import Progress
from core.tasks.classes import match
from core.tasks.images import Images
from core.tasks.sources import open_source
from core.tasks.sources.hub_sets import HubData
from tests.core.picture_files import everywhere, fill, picture
from tests.tiny import CONFIG

datasets = pytest.importorskip("datasets", reason="the extra `hub` is not installed")
FITTING = fitting(Architecture("tiny", CONFIG))
NAMES = ["cat", "dog", "owl"]
REVISION = "0123456789abcdef0123456789abcdef01234567"


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, "PNG")
    return buffer.getvalue()


def table(labels: list[int], seed: int = 0, image: str = "image", label: str = "label", names: Any = NAMES) -> Any:
    """A table of the hub's usual form."""
    kind = datasets.ClassLabel(names=names) if names else datasets.Value("int64")
    return datasets.Dataset.from_dict(
        {image: [{"bytes": png(seed + at), "path": None} for at in range(len(labels))], label: labels},
        features=datasets.Features({image: datasets.Image(), label: kind}),
    )


def parquet(file: Path, **how: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    table(**how).to_parquet(str(file))


def opened(root: Path, **entry: Any) -> Any:
    return open_source("mine", HubData(kind="hub", path=root.name, **entry), everywhere(root.parent))


def images(source: Any, split: str, classes: Any = None) -> Images:
    settled = match("mine", classes, source.ids)
    found = source.images(split, settled.names, settled.ids, FITTING, Progress())
    assert found is not None
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Train in two shards, test in one."""
    parquet(tmp_path / "set" / "data" / "train-00000-of-00002.parquet", labels=[0, 1, 2])
    parquet(tmp_path / "set" / "data" / "train-00001-of-00002.parquet", labels=[2, 2], seed=3)
    parquet(tmp_path / "set" / "data" / "test-00000-of-00001.parquet", labels=[1, 0], seed=5)
    return tmp_path / "set"


def test_parquet_files_are_read_with_their_class_names(root: Path) -> None:
    source = opened(root)
    assert (source.splits, source.ids) == (("train", "test"), tuple(NAMES))
    assert images(source, "train").labels.tolist() == [0, 1, 2, 2, 2]
    found = images(source, "test", ["Owl", "Dog", "Cat"])
    assert found.labels.tolist() == [1, 2]
    from core.tasks.decode import fitted

    assert torch.equal(found.pixels[0], torch.from_numpy(fitted(picture(5), FITTING).copy()))


@pytest.mark.slow
def test_what_save_to_disk_wrote_is_read(tmp_path: Path) -> None:
    whole = datasets.DatasetDict({"train": table([0, 1]), "validation": table([2], 4), "test": table([1, 2, 0], 7)})
    whole.save_to_disk(str(tmp_path / "set"))
    source = opened(tmp_path / "set")
    assert source.splits == ("train", "held-out", "test")
    assert images(source, "test").labels.tolist() == [1, 2, 0]
    assert images(source, "held-out").labels.tolist() == [2]


@pytest.mark.slow
def test_other_columns_configurations_and_names_of_splits(tmp_path: Path) -> None:
    for config, labels in {"full": [0, 1, 2, 0], "small": [2, 1]}.items():
        parquet(tmp_path / "set" / config / "validation" / "0000.parquet", labels=labels, image="jpg", label="cls")
        parquet(tmp_path / "set" / config / "train" / "0000.parquet", labels=[0], image="jpg", label="cls")
    source = opened(
        tmp_path / "set", config="small", image="jpg", label="cls", splits={"test": "validation", "train": "train"}
    )
    assert source.splits == ("train", "test")
    assert images(source, "test").labels.tolist() == [2, 1]


def test_plain_numbers_need_class_names_and_are_held_against_them(tmp_path: Path) -> None:
    parquet(tmp_path / "set" / "test.parquet", labels=[0, 3], names=None)
    source = opened(tmp_path / "set")
    assert source.ids == ()
    assert images(source, "test", ["a", "b", "c", "d"]).labels.tolist() == [0, 3]
    with pytest.raises(BadSuite, match=r"0…2 \(3 classes\). Found 0…3"):
        images(source, "test", ["a", "b", "c"])


@pytest.mark.parametrize(("labels", "column"), [([-1, -1], "label"), ([0, 1], None)])
def test_labels_that_are_kept_back_or_not_asked_for_are_none(labels: list[int], column: Any, tmp_path: Path) -> None:
    parquet(tmp_path / "set" / "test.parquet", labels=labels, names=None)
    assert images(opened(tmp_path / "set", label=column), "test", ["a", "b"]).labels is None


def test_a_column_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(BadSuite, match=r"should have the column `img`. Found: image, label"):
        opened(root, image="img").listing("test")


def test_a_folder_without_tables_lists_what_it_has(tmp_path: Path) -> None:
    fill(tmp_path / "set", 1)
    with pytest.raises(BadSuite, match=r"Parquet or Arrow files of a split.*Found files: none"):
        _ = opened(tmp_path / "set").splits


def test_damaged_tables_and_cells_are_refused(root: Path) -> None:
    file = root / "data" / "test-00000-of-00001.parquet"
    secret = root.parent / "secret.png"
    picture(1).save(secret)
    cells = [
        {"bytes": png(0), "path": None},
        {"bytes": b"no image", "path": None},
        {"bytes": None, "path": str(secret)},
    ]
    datasets.Dataset.from_dict(
        {"image": cells, "label": [0, 1, 2]},
        features=datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")}),
    ).to_parquet(str(file))
    with pytest.raises(BadSuite, match=r"2 of 3 files.*row 1 \(no image\), row 2 \(no image inside the table\)"):
        images(opened(root), "test", NAMES)
    assert images(opened(root, skip_unreadable=True), "test", NAMES).labels.tolist() == [0]
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(BadSuite, match=r"tables of set can't be read"):
        opened(root).listing("test")


def test_a_changed_table_changes_the_fingerprint(root: Path) -> None:
    before = opened(root).fingerprint
    assert opened(root).fingerprint == before
    parquet(root / "data" / "test-00000-of-00001.parquet", labels=[1, 0], seed=6)
    assert opened(root).fingerprint != before


def test_a_data_set_that_was_not_fetched_is_said_to_be_missing(tmp_path: Path) -> None:
    data = HubData(kind="hub", dataset="owner/name", revision=REVISION)
    source = open_source("mine", data, everywhere(tmp_path))
    assert "`owner/name` is not on this machine" in str(source.missing())
    with pytest.raises(BadSuite, match="download: true"):
        source.listing("test")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "either `dataset`"),
    ({"dataset": "a/b", "revision": REVISION, "path": "x"}, "either `dataset`"),
    ({"dataset": "https://example.com/x", "revision": REVISION}, "owner/name"),
    ({"dataset": "../../etc", "revision": REVISION}, "owner/name"),
    ({"dataset": "owner/name"}, "40 hex digits"),
    ({"dataset": "owner/name", "revision": "main"}, "40 hex digits"),
    ({"dataset": "owner/name", "revision": REVISION, "trust_remote_code": True}, "Extra inputs"),
]


@pytest.mark.parametrize(("entry", "message"), WRONG)
def test_other_ids_moving_revisions_and_remote_code_are_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HubData(kind="hub", **entry)
