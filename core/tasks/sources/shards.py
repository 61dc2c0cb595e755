"""`kind: webdataset`: tar archives with images and labels side by side, read where they lie."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from core import remembered
from core.errors import BadSuite
from core.paths import cache
from core.tasks.decode import Unreadable, open_picture
from core.tasks.sources.folder import WORDS
from core.tasks.sources.labelled import Labelled, Rows, shortened
from core.tasks.sources.parts import Data, Split
from core.tasks.sources.tar_index import LABELS, NoShard, index
from core.tasks.sources.walk import walk

MOST_SHARDS = 20_000
MOST_BRACES = 8
ENDING = ".tar"


class ShardsData(Data):
    """A .tar file, a folder of them, or several by a pattern such as `train-{000..009}.tar`."""

    kind: Literal["webdataset"]
    path: str
    label: Literal["cls", "json", "txt"] | None = None
    """The member that holds the label; without it, the first of these that is there. An explicit null: none."""
    splits: dict[Split, str] = Field(default_factory=dict)
    """Split -> the word for it in the names of shards; shards without such a word are left out."""


class Shards(Labelled):
    """The archives' headers are read once and remembered; images are read one by one from their places."""

    entry: ShardsData

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, the folder, or every file of the pattern."""
        return tuple(self.place.resolve(name) for name in self._named_shards)

    def missing(self) -> str | None:
        """The first path that leads to nothing."""
        gone = [name for name, file in zip(self._named_shards, self.files, strict=True) if not file.exists()]
        more = f", and {len(gone) - 1:,} more" if len(gone) > 1 else ""
        return f"`{gone[0]}` is missing{more}" if gone else None

    @cached_property
    def rows(self) -> dict[str, Rows]:
        """Split -> its images, told by the shards' names; all are `test` where no name speaks of a split."""
        rows: dict[str, Rows] = {}
        for split, numbers in self._splits.items():
            found = [(number, self._found[number]) for number in numbers]
            rows[split] = Rows(
                [f"{self._name(number)}/{key}" for number, each in found for key in each["keys"]],
                [f"{self._name(number)}, {key}" for number, each in found for key in each["keys"]],
                [label for _, each in found for label in each["labels"]],
            )
        return rows

    @property
    def flaws(self) -> Sequence[str]:
        """Labels that can't be read."""
        told = [f"{self._name(number)}, {flaw}" for number, each in self._found.items() for flaw in each["flaws"]]
        return shortened(told, "unreadable labels")

    def facts(self, split: str) -> np.ndarray:
        """Number and time of the archive, offset and bytes of each image."""
        return self._places[split]

    @cached_property
    def _places(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for split, numbers in self._splits.items():
            times = {number: self._shards[number].stat().st_mtime_ns for number in numbers}
            rows = [(number, times[number], *place) for number in numbers for place in self._found[number]["places"]]
            found[split] = np.array(rows, np.int64)
        return found

    def picture(self, split: str, index: int) -> Image.Image:
        """From its place in the archive."""
        number, _, offset, size = map(int, self.facts(split)[index])
        try:
            with self._shards[number].open("rb") as opened:
                opened.seek(offset)
                data = opened.read(size)
        except OSError as error:
            raise Unreadable(f"can't be read: {error.strerror}") from None
        if not data or len(data) != size:
            raise Unreadable("0 bytes" if not size else "the archive was cut off")
        return open_picture(io.BytesIO(data))

    @cached_property
    def _named_shards(self) -> tuple[str, ...]:
        pattern = self.entry.path
        found = tuple(islice(expanded(pattern), MOST_SHARDS + 1)) if pattern.count("{") <= MOST_BRACES else ()
        if not 1 <= len(found) <= MOST_SHARDS:
            raise BadSuite(f"Task `{self.task}`: `{pattern[:80]}` should name 1 to {MOST_SHARDS:,} files.")
        return found

    @cached_property
    def _shards(self) -> list[Path]:
        """All archives, in order."""
        found: list[Path] = []
        for file in self.files:
            inner = (one.path for one in walk(file, self.place) if one.path.name.lower().endswith(ENDING))
            found += inner if file.is_dir() else [file]
        if not found:
            raise BadSuite(f"Task `{self.task}`: `{self.entry.path}` should have .tar files. Found none.")
        return found

    def _name(self, number: int) -> str:
        shard = self._shards[number]
        root = self.files[0]
        return shard.relative_to(root).as_posix() if root.is_dir() else shard.name

    @cached_property
    def _splits(self) -> dict[str, list[int]]:
        words = self.entry.splits
        found: dict[str, list[int]] = {}
        for number in range(len(self._shards)):
            split = split_of(self._name(number), {split: (word,) for split, word in words.items()} or WORDS)
            if split is not None or not words:
                found.setdefault(split or "", []).append(number)
        if list(found) == [""]:
            return {"test": found[""]}
        if "" in found:
            raise BadSuite(
                f"Task `{self.task}`: the names of all shards in `{self.entry.path}` should speak of a split, or none. "
                f"Found `{self._name(found[''][0])}`; choose with `splits`."
            )
        return found

    @cached_property
    def _found(self) -> dict[int, dict[str, list[Any]]]:
        """Number of a shard -> what is in it, for those of any split."""
        chosen = "label" in self.entry.model_fields_set
        labels = ((self.entry.label,) if self.entry.label else ()) if chosen else LABELS
        return {number: self._indexed(number, labels) for numbers in self._splits.values() for number in numbers}

    def _indexed(self, number: int, labels: Sequence[str]) -> dict[str, list[Any]]:
        shard = self._shards[number]
        about = shard.stat()
        place = str(shard.resolve())
        known = remembered.key([place, about.st_size, about.st_mtime_ns, list(labels), 1])
        try:
            file = cache() / "shards" / f"{remembered.key([place])}.json"
            found: dict[str, list[Any]] = remembered.value(file, known, lambda: index(shard, labels))
        except (NoShard, OSError) as error:
            raise BadSuite(
                f"Task `{self.task}`: `{self._name(number)}` should be a WebDataset shard. Found {error}."
            ) from None
        return found


def expanded(pattern: str) -> Iterator[str]:
    """The texts that braces stand for: `{a,b}` and `{000..009}`, also several."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    numbers = braces and re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", braces[1])
    if braces is None or (numbers is None and "," not in braces[1]):
        yield pattern
        return
    if numbers:
        first, last = numbers[1], numbers[2]
        width = len(first) if first.startswith("0") else 0
        inner: Iterator[str] = (f"{at:0{width}}" for at in range(int(first), int(last) + 1))
    else:
        inner = iter(braces[1].split(","))
    for each in inner:
        yield from expanded(pattern[: braces.start()] + each + pattern[braces.end() :])


def split_of(name: str, words: dict[Split, tuple[str, ...]]) -> Split | None:
    """The split that the name of a shard speaks of; the last word counts."""
    known = {word.lower(): split for split, each in words.items() for word in each}
    any_of = "|".join(re.escape(word) for word in sorted(known, key=len, reverse=True))
    found = re.findall(rf"(?<![a-z0-9])(?:{any_of})(?![a-z])", name.lower())
    return known[found[-1]] if found else None
