"""Class names of a task, in the order of its head's rows, and how the source's own names map to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadSuite
from core.tasks.texts import json_or_lines


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
        return Classes(tuple(name.replace("_", " ").strip() or name for name in ids), ids)
    names = tuple(wanted)
    if not ids:
        return Classes(names, ())
    own = {folded(name): name for name in ids}
    if len(own) == len(ids) and {folded(name) for name in names} == set(own):
        return Classes(names, tuple(own[folded(name)] for name in names))
    if len(names) != len(ids):
        raise BadSuite(
            f"Task `{task}`: `classes` should have one name for each of the {len(ids)} classes of its images. "
            f"Found {len(names)}. {_difference(tuple(map(folded, names)), tuple(own))}."
        )
    return Classes(names, ids)


def rows(labels: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Where each of the `names` stands among `labels`, names the same up to case and `_`; None where they differ."""
    place = {folded(label): row for row, label in enumerate(labels)}
    wanted = [folded(name) for name in names]
    same = len(place) == len(labels) == len(names) and set(place) == set(wanted)
    return [place[name] for name in wanted] if same else None


def class_names(file: Path) -> tuple[str, ...] | dict[str, str]:
    """The class names in a file, told by its content, in the order of the head's rows; raises `BadSuite`.

    A JSON list; a JSON object from 0, 1, … to names or from names to 0, 1, …; or text with a name per line, empty lines
    left out. Any other JSON object of texts maps the source's own names to class names, as `classes` in a suite file.
    """
    try:
        content = json_or_lines(file)
        found = _in_place(content) if isinstance(content, dict) else tuple(content)
        names = tuple(found.values()) if isinstance(found, dict) else found
        if wrong := [name for name in names if not isinstance(name, str) or not name.strip()]:
            raise ValueError(f"the class name {str(wrong[0])[:60]!r}, which should be text")
        if len(names) < 2:
            raise ValueError(f"{len(names)} where at least two are needed")
    except (OSError, ValueError, RecursionError) as error:
        raise BadSuite(
            f"`{file.name}` should be class names: one per line, or a JSON list or object. Found: {error}."
        ) from None
    return found


def _in_place(found: dict[str, Any]) -> tuple[str, ...] | dict[str, str]:
    """The names of an object that numbers them, in that order; another object as it is."""
    numbers = set(range(len(found)))
    by_name = {place: name for name, place in found.items() if type(place) is int}
    by_place = {int(place): name for place, name in found.items() if re.fullmatch(r"[0-9]{1,6}", place)}
    ordered = next((each for each in (by_name, by_place) if set(each) == numbers), None)
    return found if ordered is None else tuple(ordered[place] for place in sorted(numbers))


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Sorted; by value where all are whole numbers, so that 10 comes after 9."""
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def folded(name: str) -> str:
    """A class name up to case, `_` and `-`."""
    return " ".join(name.replace("_", " ").replace("-", " ").lower().split())


def _difference(given: Sequence[str], found: Sequence[str]) -> str:
    more = [name for name in given if name not in found][:5]
    fewer = [name for name in found if name not in given][:5]
    parts = [f"only in `classes`: {', '.join(more)}"] * bool(more)
    parts += [f"only among the images: {', '.join(fewer)}"] * bool(fewer)
    return "; ".join(parts).capitalize() or "Some occur twice"
