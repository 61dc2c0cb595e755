"""A list of images as a table: separated text of any dialect, or Parquet; its columns told by names and content."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from core.tasks.decode import SUFFIXES
from core.tasks.sources.folder import WORDS
from core.tasks.texts import decoded

MAX_BYTES = 128 * 2**20
"""Bytes of a text file; of the columns of a Parquet file, unpacked."""
MOST_ROWS = 2_000_000
MOST_COLUMNS = 256
LONGEST_LINE = 2**16
SAMPLE = 50
"""Lines by which a dialect is recognised."""
_SEPARATORS = ("\t", ",", ";", "|", " ")
_ONE_COLUMN = "\x1f"
"""A separator that does not occur: a list of paths alone."""
_PARQUET = b"PAR1"
_CELLS = Path(__file__).with_name("parquet_cells.py")
_SECONDS = 60
"""How long a Parquet file may take."""
_FOOTER = 2**16
"""Bytes at its end that are looked at."""
_NAMES = {
    "image": "path filepath imagepath imgpath file filename imagefile image imagename img imgname relativepath relpath",
    "label": "label labels class classname target category labelname classlabel classid labelid y",
    "split": "split set subset partition phase",
}
"""What columns are called, letters only, the most usual first."""
_NUMBERING = re.compile(r"(Unnamed: \d+|__index_level_\d+__|index)?")
"""Columns that pandas adds."""
_SPLITS = frozenset(word for names in WORDS.values() for word in names)


@dataclass(frozen=True)
class Columns:
    """Which columns hold what, by their places in the table."""

    image: int
    label: int | None
    split: int | None


@dataclass
class Table:
    """Cells as texts, row by row."""

    names: list[str]
    """Of its columns; 1, 2, … where the file has no heading."""
    rows: list[list[str]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    """Where each row stands in the file."""
    flaws: list[str] = field(default_factory=list)
    """Rows that are none."""


class NoList(ValueError):
    """A file is no list of images; `str()` says why in a few words."""


def read_table(file: Path, image: str | None = None) -> Table:
    """The table in a file; `image` names the column of paths, where its name and content do not tell.

    Raises `NoList`, `OSError`.
    """
    with file.open("rb") as opened:
        packed = opened.read(4) == _PARQUET
    if packed:
        about = file.stat()
        return _parquet(file, about.st_size, about.st_mtime_ns)
    if file.stat().st_size > MAX_BYTES:
        raise NoList(f"more than {MAX_BYTES >> 20} MiB of text")
    try:
        return _text(decoded(file.read_bytes()), image)
    except csv.Error as error:
        raise NoList(str(error)) from None
    except NoList:
        raise
    except ValueError as error:
        raise NoList(str(error)) from None


def holds_list(file: Path) -> bool:
    """Whether a file lists images, by its beginning: names of columns alone do not tell."""
    try:
        with file.open("rb") as opened:
            head = opened.read(2**14)
        if head.startswith(_PARQUET):
            return _names_images(file)
        whole = head[: head.rfind(b"\n") + 1] if len(head) == 2**14 else head
        table = _text(decoded(whole), None)
        return any(_is_image(row[at]) for at in _candidates(table) for row in table.rows)
    except (OSError, ValueError, csv.Error):
        return False


def columns(table: Table, image: str | None, label: str | None, split: str | None, labelled: bool = True) -> Columns:
    """Which columns hold what; a name that is given has to be there. Raises `NoList` where that is not clear."""
    paths = _given(table, "image", image)
    if paths is None:
        found = _candidates(table)
        if len(found) != 1:
            raise NoList(f"{_listed(table)}{', several of them with paths' if found else ''}; name it with `image`")
        paths = found[0]
    rest = [at for at, name in enumerate(table.names) if at != paths and not _NUMBERING.fullmatch(name)]
    parts = _given(table, "split", split)
    if parts is None:
        parts = _called(table, "split", rest)
    if parts is None:
        parts = next((at for at in rest if table.rows and all(row[at].lower() in _SPLITS for row in table.rows)), None)
    rest = [at for at in rest if at != parts]
    own = _given(table, "label", label)
    if own is None and labelled:
        own = _called(table, "label", rest)
        if own is None and len(rest) > 1:
            raise NoList(f"{_listed(table)}; name the one of labels with `label` (`label: null`: none)")
        if own is None and rest:
            own = rest[0]
    return Columns(paths, own, parts)


def _listed(table: Table) -> str:
    return f"the columns {', '.join(name[:40] for name in table.names[:12])}"


def _given(table: Table, what: str, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in table.names:
        raise NoList(f"{_listed(table)} and no `{name}` (`{what}`)")
    return table.names.index(name)


def _called(table: Table, what: str, among: Sequence[int]) -> int | None:
    folded = {re.sub(r"[^a-z]", "", table.names[at].lower()): at for at in reversed(among)}
    return next((folded[name] for name in _NAMES[what].split() if name in folded), None)


def _candidates(table: Table) -> list[int]:
    """Columns of paths: by content, and of several such, or of none, by name."""
    sample = table.rows[:SAMPLE]
    found = [at for at in range(len(table.names)) if sample and all(_is_image(row[at]) for row in sample)]
    named = _called(table, "image", found or range(len(table.names)))
    return found if len(found) == 1 or named is None else [named]


def _is_image(cell: str) -> bool:
    return cell.lower().endswith(SUFFIXES)


def _text(text: str, image: str | None) -> Table:
    lines = list(io.StringIO(text, newline=""))
    if len(lines) > MOST_ROWS:
        raise NoList(f"more than {MOST_ROWS:,} lines")
    if (longest := max(map(len, lines), default=0)) > LONGEST_LINE:
        raise NoList(f"a line of {longest:,} characters")
    head = list(islice((line for line in lines if line.strip()), SAMPLE))
    for separator in (*_SEPARATORS, _ONE_COLUMN):
        tried = _parsed(head, separator)
        alike = separator == _ONE_COLUMN or (len(tried.names) > 1 and 2 * len(tried.flaws) <= len(tried.rows))
        if alike and (image in tried.names or _candidates(tried)):
            return _parsed(lines, separator)
    raise NoList("no column with paths of images; name it with `image`")


def _parsed(lines: Sequence[str], separator: str) -> Table:
    cells = _cells(lines, separator)
    begin, first = next(cells, (0, []))
    if not 1 <= len(first) <= MOST_COLUMNS:
        raise NoList(f"{len(first)} columns" if first else "nothing in it")
    headed = not any(map(_is_image, first))
    table = Table(first if headed else [str(at + 1) for at in range(len(first))])
    for line, row in cells if headed else chain([(begin, first)], cells):
        if len(row) == len(first):
            table.rows.append(row)
            table.places.append(f"line {line}")
        else:
            table.flaws.append(f"line {line}: {len(row)} columns where {len(first)} are expected")
    return table


def _cells(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each with the line at which it ends."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for row in reader:
        stripped = [cell.strip() for cell in row]
        if any(stripped):
            yield reader.line_num, stripped


@lru_cache(maxsize=4)
def _parquet(file: Path, size: int, changed: int) -> Table:
    """All plain columns of a Parquet file of that size and time."""
    limits = map(str, (MOST_ROWS, MAX_BYTES, MOST_COLUMNS))
    try:
        done = subprocess.run([sys.executable, "-P", _CELLS, file, *limits], capture_output=True, timeout=_SECONDS)
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise NoList("damaged Parquet") from None
    if "error" in found:
        raise NoList(found["error"])
    rows = [list(row) for row in zip(*found["columns"], strict=True)]
    return Table(found["names"], rows, [f"row {at}" for at in range(1, len(rows) + 1)])


def _names_images(file: Path) -> bool:
    """Whether the footer of a Parquet file has the path of an image, as its statistics of a column of paths do."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(-min(size, _FOOTER), os.SEEK_END)
        footer = opened.read().lower()
    return any(suffix.encode() in footer for suffix in SUFFIXES)
