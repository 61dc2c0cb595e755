"""Damaged lists, shards and files of texts by the thousand: each is read or refused by name, whatever byte was hit."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.errors import BadSuite
from core.tasks.classes import class_names
from core.tasks.images import SPLITS
from core.tasks.sources import open_source
from core.tasks.sources.base import BadImages
from core.tasks.sources.lists import ListData
from core.tasks.sources.shards import ShardsData
from core.tasks.sources.tables import holds_list
from core.tasks.sources.tar_index import holds_images
from core.tasks.templates import template_file
from tests.core.bombs import bombs
from tests.core.picture_files import everywhere, fill
from tests.core.test_checkpoint_fuzz import LONGEST, SEED, damaged
from tests.core.test_list_source import written
from tests.core.test_shards_source import samples, tar

as_long_as_there_is_time = pytest.mark.parametrize(
    "mutants",
    [200, pytest.param(10_000, marks=pytest.mark.slow), pytest.param(100_000, marks=pytest.mark.nightly)],
)


def listed(file: Path) -> None:
    holds_list(file)
    _read(open_source("mine", ListData(kind="list", path=file.name), everywhere(file.parent)))


def sharded(file: Path) -> None:
    holds_images(file)
    _read(open_source("mine", ShardsData(kind="webdataset", path=file.name), everywhere(file.parent)))


def _read(source: Any) -> None:
    """Every table of the source, and what it says is wrong; pictures have a test of their own."""
    settled = source.settle(("red", "green", "blue"))
    assert set(source.splits) <= set(SPLITS)
    for split in source.splits:
        assert source.listing(split).count > 0
    if problems := source.problems(settled.ids):
        raise BadImages(source, problems)


def _table(folder: Path) -> bytes:
    pytest.importorskip("pyarrow")
    rows = [line.split(",") for line in written(",").split()]
    pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(folder / "table")
    return (folder / "table").read_bytes()


KINDS: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], object]]] = {
    "csv": (lambda _: written(",").encode(), listed),
    "utf-16": (lambda _: written("\t").encode("utf-16"), listed),
    "parquet": (_table, listed),
    "shard": (lambda folder: tar(folder / "set.tar", samples([0, 1, 2])).read_bytes(), sharded),
    "pax shard": (lambda folder: tar(folder / "s", [("ü" * 120 + ".png", b"1")], 2).read_bytes(), sharded),
    "classes": (lambda _: json.dumps(["red", "green"], indent=1).encode(), class_names),
    "prompts": (lambda _: json.dumps({"red": ["a {}", "b"], "green": "{c}"}).encode(), template_file),
}


@pytest.mark.slow
@as_long_as_there_is_time
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused_by_name(kind: str, mutants: int, tmp_path: Path) -> None:
    make, read = KINDS[kind]
    mutants //= 50 if kind == "parquet" else 1  # Each begins a process.
    whole, file, chance = make(tmp_path), tmp_path / "mutant", random.Random(SEED)
    fill(tmp_path / "img", 6)
    refused = 0
    for _ in range(mutants):
        file.write_bytes(damaged(whole, chance))
        begin = time.thread_time()
        try:
            read(file)
        except BadSuite:
            refused += 1
        assert time.thread_time() - begin < LONGEST
    assert 0 < refused <= mutants


@pytest.mark.slow
@pytest.mark.parametrize("read", [listed, sharded, class_names, template_file])
def test_bombs_are_refused_at_once(read: Callable[[Path], object], tmp_path: Path) -> None:
    refused = []
    for name, raw in bombs().items():
        (tmp_path / "bomb").write_bytes(raw)
        begin = time.thread_time()
        try:
            read(tmp_path / "bomb")
        except BadSuite:
            refused.append(name)
        assert time.thread_time() - begin < LONGEST, name
    assert set(bombs()) - set(refused) <= ({"text"} if read is class_names else set())  # Its lines may be names.
    assert [file.name for file in tmp_path.iterdir()] == ["bomb"]
