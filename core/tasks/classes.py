"""Class names of a task, in the order of its head's rows, and how the source's own names map to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadSuite

MAX_BYTES = 8 * 2**20
"""Bytes of a file of class names."""


@dataclass(frozen=True)
class Classes:
    """The classes of one task."""

    names: tuple[str, ...]
    """As the templates get them."""
    ids: tuple[str, ...]
    """The source's own names in the same order; empty where the source has none."""


def match(task: str, wanted: Sequence[str] | Mapping[str, str] | None, ids: Sequence[str]) -> Classes:
    """The classes that a suite file wants, held against the source's own names.

    A mapping gives own name -> class name. A list is matched by name where the names are the same up to case and `_`,
    and in order where there are as many; no list takes the source's names. Raises `BadSuite` where they do not fit.
    """
    ids = tuple(ids)
    if isinstance(wanted, Mapping):
        if set(wanted) != set(ids):
            raise BadSuite(
                f"Task `{task}`: `classes` should name each class folder of its images. "
                f"{_difference(tuple(wanted), ids)}."
            )
        return Classes(tuple(wanted.values()), tuple(wanted))
    if wanted is None:
        return Classes(tuple(_plain(name) for name in ids), ids)
    names = tuple(wanted)
    if not ids:
        return Classes(names, ())
    own = {_folded(name): name for name in ids}
    if len(own) == len(ids) and {_folded(name) for name in names} == set(own):
        return Classes(names, tuple(own[_folded(name)] for name in names))
    if len(names) != len(ids):
        raise BadSuite(
            f"Task `{task}`: `classes` should have one name for each of the {len(ids)} classes of its images. "
            f"Found {len(names)}. {_difference(tuple(map(_folded, names)), tuple(own))}."
        )
    return Classes(names, ids)


def class_names(file: Path) -> tuple[str, ...]:
    """One class name per line of a UTF-8 text file, empty lines left out; raises `BadSuite`."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise BadSuite(f"`{file.name}` is larger than {MAX_BYTES >> 20} MiB; expected one class name per line.")
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSuite(f"`{file.name}` should be a text file with one class name per line. Found: {error}.") from None
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) < 2:
        raise BadSuite(f"`{file.name}` should have at least two class names, one per line. Found {len(names)}.")
    return names


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Sorted; by value where all are whole numbers, so that 10 comes after 9."""
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _plain(name: str) -> str:
    return name.replace("_", " ").strip() or name


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").lower().split())


def _difference(given: Sequence[str], found: Sequence[str]) -> str:
    more = [name for name in given if name not in found][:5]
    fewer = [name for name in found if name not in given][:5]
    parts = [f"only in `classes`: {', '.join(more)}"] * bool(more)
    parts += [f"only among the images: {', '.join(fewer)}"] * bool(fewer)
    return "; ".join(parts).capitalize() or "Some occur twice"
