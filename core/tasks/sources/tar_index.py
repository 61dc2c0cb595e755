"""Where the images of a WebDataset shard lie, and their labels: read from the headers, and nothing is unpacked."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from core.tasks.decode import MAX_BYTES, SUFFIXES

LABELS = ("cls", "json", "txt")
"""Members that hold a label; the first of them counts."""
MOST_MEMBERS = 1_000_000
MOST_LABEL = 64 * 2**10
"""Bytes of a member with a label."""
LONGEST_LABEL = 200
"""Characters above which a text is no label, such as a caption."""
_HEADER = 2**20
"""Bytes that one header may take, long names included."""
_PADDING = 2 * 2**20
"""Bytes after an archive's end that are looked at."""
_IMAGES = tuple(suffix.removeprefix(".") for suffix in SUFFIXES)
_SAMPLE = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]*)")
"""A member's key and ending, as WebDataset divides its name."""
_NAME = re.compile(r"[^\x00-\x1f\x7f\\]{1,400}")
_PACKED = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}
_KEYS = ("cls", "label", "class", "target", "category", "class_name", "label_name")
"""Where an object of JSON has its label."""


class NoShard(ValueError):
    """A file is no shard that can be used; `str()` says why in a few words."""


class _Guarded:
    """A file of which headers are read and nothing larger, whatever the archive claims."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self._file = file.seek, file.tell, file

    def read(self, size: int) -> bytes:
        if size > _HEADER:
            raise NoShard(f"a header of {size:,} bytes")
        return self._file.read(size)


def index(file: Path, labels: Sequence[str] = LABELS) -> dict[str, list[Any]]:
    """`keys`, `labels` (empty where there is none) and `places` (offset, bytes) of all images; `flaws` of labels.

    `labels`: the members that may hold one. Raises `NoShard`, `OSError`.
    """
    with file.open("rb") as opened:
        samples = _members(opened, file.stat().st_size)
        found: dict[str, list[Any]] = {"keys": [], "labels": [], "places": [], "flaws": []}
        for key, members in samples.items():
            image = next((members[ending] for ending in _IMAGES if ending in members), None)
            if image is None:
                continue
            label = ""
            if ending := next((each for each in labels if each in members), None):
                try:
                    label = _label(opened, ending, *members[ending])
                except ValueError as error:
                    found["flaws"].append(f"{key}.{ending}: {error}")
            found["keys"].append(key)
            found["labels"].append(label)
            found["places"].append(image)
    if not found["keys"]:
        raise NoShard("no images; expected jpg, png or webp, each beside a cls, json or txt of the same name")
    return found


def holds_images(file: Path, most: int = 20) -> bool:
    """Whether one of the first members is an image; nothing else is looked at."""
    try:
        with file.open("rb") as opened:
            return any(set(members) & set(_IMAGES) for members in _members(opened, file.stat().st_size, most).values())
    except (OSError, NoShard):
        return False


def _members(opened: IO[bytes], total: int, most: int | None = None) -> dict[str, dict[str, tuple[int, int]]]:
    """Key -> ending -> offset and bytes of all members, or of the first ones."""
    head = opened.read(6)
    if tool := next((tool for magic, tool in _PACKED.items() if head.startswith(magic)), None):
        raise NoShard(f"a packed archive, in which images can't be found one by one; unpack it with `{tool}`")
    found: dict[str, dict[str, tuple[int, int]]] = {}
    opened.seek(0)
    try:
        archive = tarfile.TarFile(fileobj=_Guarded(opened), encoding="utf-8", errors="replace")  # type: ignore[arg-type]  # it reads, seeks and tells
        for count in range(MOST_MEMBERS + 1):
            before = archive.offset
            info = archive.next()
            archive.members.clear()  # type: ignore[attr-defined]  # They would take more memory than all names.
            if info is None or count == most:
                break
            if (archive.offset <= before and count) or not 0 <= info.size <= total - info.offset_data:
                raise NoShard(f"cut off or damaged at byte {before:,}")
            _take(found, info)
        else:
            raise NoShard(f"more than {MOST_MEMBERS:,} members")
    except (tarfile.TarError, RecursionError, OverflowError, MemoryError, UnicodeError) as error:
        raise NoShard(f"no tar archive, or a damaged one: {str(error)[:80]}") from None
    except ValueError as error:
        raise error if isinstance(error, NoShard) else NoShard(f"a damaged archive: {str(error)[:80]}") from None
    if info is None:
        # Python takes a damaged header for the end.
        opened.seek(archive.offset)
        rest = opened.read(_PADDING)
        if len(rest) < tarfile.BLOCKSIZE or rest.strip(b"\0"):
            raise NoShard(f"cut off or damaged at byte {archive.offset:,}, or several archives in one file")
    return found


def _take(found: dict[str, dict[str, tuple[int, int]]], info: tarfile.TarInfo) -> None:
    if info.isdir():
        return
    path, shown = PurePosixPath(info.name), repr(info.name[:80])
    if path.is_absolute() or ".." in path.parts or not _NAME.fullmatch(info.name):
        raise NoShard(f"the member {shown}; expected plain relative names")
    if not info.isreg() or info.issparse():
        raise NoShard(f"the member {shown}, which is a link, a device or sparse; expected images and labels")
    if not (parts := _SAMPLE.fullmatch(str(path))):
        return
    key, ending = parts[1], parts[2].lower()
    if ending not in _IMAGES and ending not in LABELS:
        return
    if info.size > MAX_BYTES:
        raise NoShard(f"the member {shown} of {info.size >> 20} MiB, more than {MAX_BYTES >> 20}")
    members = found.setdefault(key, {})
    if ending in members:
        raise NoShard(f"the member {shown} more than once")
    members[ending] = info.offset_data, info.size


def _label(opened: IO[bytes], ending: str, offset: int, size: int) -> str:
    """The label in a member; raises `ValueError`."""
    if size > MOST_LABEL:
        raise ValueError(f"{size:,} bytes, which is no label")
    opened.seek(offset)
    text = opened.read(size).decode("utf-8-sig")
    if ending == "json":
        text = _from_json(text)
    label = text.strip()
    if len(label) > LONGEST_LABEL or len(label.splitlines()) > 1:
        raise ValueError("a text that is longer than a label; choose another member with `label`, or none: null")
    return label


def _from_json(text: str) -> str:
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if isinstance(found, dict):
        found = next((found[key] for key in _KEYS if key in found), None)
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise ValueError(
            f"JSON without a label; expected a name or a number, or an object with one of {', '.join(_KEYS)}"
        )
    return str(found)
