"""`kind: hub`: data sets of the Hugging Face hub as Parquet or Arrow files, on disk already or fetched where asked."""

from __future__ import annotations

import hashlib
import io
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from PIL import Image
from pydantic import Field, model_validator

from core.errors import BadSuite, MergescopeError
from core.paths import cache
from core.progress import SILENT
from core.tasks.decode import Unreadable, open_picture
from core.tasks.images import Listing
from core.tasks.sources.base import Source
from core.tasks.sources.folder import WORDS
from core.tasks.sources.parts import Data, Split
from core.tasks.sources.walk import FoundFile, walk

PARQUET = "refs/convert/parquet"
"""The branch where the hub keeps data sets of other formats as Parquet."""


class HubData(Data):
    """A data set by id and revision, or a folder with its Parquet files or with what `save_to_disk` wrote."""

    kind: Literal["hub"]
    dataset: str | None = None
    revision: str | None = None
    """A commit hash, so that the same images are read tomorrow; required with `dataset`."""
    path: str | None = None
    config: str | None = None
    splits: dict[Split, str] = Field(default_factory=dict)
    """Split -> the data set's own name for it, where it is not a usual one."""
    image: str = "image"
    label: str | None = "label"
    download: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.dataset is None) == (self.path is None):
            raise ValueError("given either `dataset` (an id) or `path` (a folder)")
        if self.dataset is not None:
            try:
                validate_repo_id(self.dataset)
            except HFValidationError:
                raise ValueError("given a `dataset` of the form `owner/name`") from None
            if not re.fullmatch(r"[0-9a-f]{40}|refs/convert/parquet", self.revision or ""):
                raise ValueError(f"given a `revision` for `dataset`: 40 hex digits of a commit, or `{PARQUET}`")
        return self

    @property
    def address(self) -> tuple[str, str, list[str]]:
        """Id, revision and the patterns of the files that are needed: those of named splits, or all tables."""
        names = [f"*{name}*.parquet" for name in self.splits.values()] or ["*.parquet"]
        below = f"{self.config}/" if self.config and self.revision == PARQUET else ""
        return str(self.dataset), str(self.revision), [below + name for name in names]

    def snapshot(self) -> Path | None:
        """The folder with the tables; None where they are not all on this machine."""
        from core.hub.download import local_dataset

        return local_dataset(*self.address)


class Hub(Source):
    """Code of data sets is never run: only tables are read, and images only from the bytes inside them."""

    entry: HubData

    @property
    def where(self) -> str:
        return str(self.entry.dataset or self.entry.path)

    def missing(self) -> str | None:
        """The folder or the snapshot, where it is not on this machine and nothing is to be fetched."""
        if self.entry.path is not None:
            return super().missing()
        if self.entry.download or self.entry.snapshot() is not None:
            return None
        return f"data set `{self.entry.dataset}` is not on this machine; fetch it, or set `download: true`"

    @property
    def ids(self) -> tuple[str, ...]:
        """Class names of the label column; empty where it holds plain numbers, and before it is fetched."""
        return () if self.entry.path is None and self.entry.snapshot() is None else self._names

    @cached_property
    def _names(self) -> tuple[str, ...]:
        feature = self._table(self.own_splits[0]).features.get(self.entry.label) if self.own_splits else None
        return tuple(getattr(feature, "names", None) or ())

    @cached_property
    def own_splits(self) -> tuple[str, ...]:
        """The splits that have a table."""
        return tuple(self._tables)

    @property
    def state(self) -> tuple[object, ...]:
        """Names, sizes and times of the tables, and the columns."""
        return self._stamp, self.entry.image, self.entry.label

    def look(self, split: str) -> Listing:
        """All rows of a split, in the table's order."""
        table, column, label = self._table(split), self.entry.image, self.entry.label
        labels = None
        if label is not None:
            values = table[label]
            if any(not isinstance(value, int) or value < -1 for value in values):
                raise BadSuite(f"Task `{self.task}`: column `{label}` of {self.where} should hold whole numbers.")
            # Data sets whose test labels are kept back number them −1.
            labels = None if all(value == -1 for value in values) else np.array(values, np.int64)
        return Listing(
            title=f"task `{self.task}`, split {split}",
            count=len(table),
            labels=labels,
            picture=lambda index: _picture(table[index][column]),
            name=lambda index: f"row {index}",
            identity=hashlib.sha256(repr((self._stamp, split, column)).encode()).hexdigest(),
        )

    @cached_property
    def _folder(self) -> Path:
        if self.entry.path is not None:
            return self.files[0]
        folder = self.entry.snapshot()
        if folder is None and self.entry.download:
            folder = self._fetched()
        if folder is None:
            raise BadSuite(f"Task `{self.task}`: {self.missing()}.")
        return folder

    def _fetched(self) -> Path | None:
        from core.hub.download import fetch_dataset

        try:
            fetch_dataset(*self.entry.address, SILENT)
        except MergescopeError as error:
            raise BadSuite(f"Task `{self.task}`: {error}") from None
        return self.entry.snapshot()

    @cached_property
    def _found(self) -> list[FoundFile]:
        if self.entry.path is None:  # The hub library's cache consists of links into itself.
            files = sorted(file for file in self._folder.rglob("*.parquet") if file.is_file())
            return [FoundFile(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return [file for file in walk(self._folder, self.place) if file.path.suffix in (".parquet", ".arrow")]

    @property
    def _stamp(self) -> list[tuple[str, int, int]]:
        return [(str(file.path.relative_to(self._folder)), file.size, file.changed) for file in self._found]

    @cached_property
    def _tables(self) -> dict[str, list[Path]]:
        """Split -> its files."""
        found: dict[str, list[Path]] = {}
        for file in self._found:
            name = file.path.relative_to(self._folder).as_posix()
            if self.entry.config is not None and self.entry.config not in name.split("/")[:-1]:
                continue
            for split, words in WORDS.items():
                chosen = self.entry.splits.get(split)
                if self.entry.splits and chosen is None:
                    continue
                if any(
                    re.search(rf"(^|/){re.escape(word)}([-_./]|$)", name) for word in ([chosen] if chosen else words)
                ):
                    found.setdefault(split, []).append(file.path)
        if not found:
            names = ", ".join(name for name, _, _ in self._stamp[:5]) or "none"
            raise BadSuite(
                f"Task `{self.task}`: {self.where} should have Parquet or Arrow files of a split. "
                f"Found files: {names}. Name `splits` and `config`, or take the revision `{PARQUET}`."
            )
        return found

    def _table(self, split: str) -> Any:
        try:
            import datasets
        except ImportError:
            raise BadSuite(
                f"Task `{self.task}`: `kind: hub` needs the package `datasets`; install `mergescope[hub]`."
            ) from None
        files = [str(file) for file in self._tables[split]]
        try:
            if files[0].endswith(".arrow"):
                table = datasets.concatenate_datasets([datasets.Dataset.from_file(file) for file in files])
            else:
                table = datasets.Dataset.from_parquet(files, cache_dir=str(cache() / "datasets"))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise BadSuite(f"Task `{self.task}`: the tables of {self.where} can't be read: {line}") from None
        wanted = [self.entry.image, *([self.entry.label] if self.entry.label else [])]
        if gone := [name for name in wanted if name not in table.column_names]:
            raise BadSuite(
                f"Task `{self.task}`: {self.where} should have the column `{gone[0]}`. Found: "
                f"{', '.join(table.column_names)}. Name the columns with `image` and `label` (`label: null`: none)."
            )
        if isinstance(table.features[self.entry.image], datasets.Image):
            return table.cast_column(self.entry.image, datasets.Image(decode=False))
        return table


def _picture(value: Any) -> Image.Image:
    """The picture of one cell; a path in it is not followed, whatever it names."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes) or not data:
        raise Unreadable("0 bytes" if data == b"" else "no image inside the table")
    return open_picture(io.BytesIO(data))
