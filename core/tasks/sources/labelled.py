"""Sources whose images each have their label as a text; what is wrong with single images is told of all at once."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
from PIL import Image

from core.errors import BadSuite
from core.tasks.classes import Classes, folded, in_order, match
from core.tasks.images import SPLITS, Listing
from core.tasks.sources.base import Source

SHOWN = 30
"""Images of one kind of problem that are told one by one."""
_PLACES = 8
"""Places that one problem names."""
WORDS = ("line ", "row ")
"""What places begin with that are numbered."""


@dataclass(frozen=True)
class Rows:
    """The images of one split, in order."""

    names: Sequence[str]
    """What a message calls each image."""
    places: Sequence[str]
    """Where each is described, as a message says it: `line 3`."""
    labels: Sequence[str]
    """Its class by name or number; empty where it has none."""


class Labelled(Source):
    """Labels are the names of classes, or numbers that count the classes from 0."""

    @property
    @abstractmethod
    def rows(self) -> Mapping[str, Rows]:
        """Split -> its images."""

    @property
    @abstractmethod
    def flaws(self) -> Sequence[str]:
        """What is wrong with single images, whatever the classes are."""

    @abstractmethod
    def facts(self, split: str) -> np.ndarray:
        """int64 `[N, …]`: changes whenever an image may have changed, and says where it is."""

    @abstractmethod
    def picture(self, split: str, index: int) -> Image.Image:
        """The decoded picture; raises `core.tasks.decode.Unreadable`."""

    @property
    def own_splits(self) -> tuple[str, ...]:
        """The splits that have an image."""
        return tuple(split for split in SPLITS if split in self.rows)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All labels that occur, each in its first spelling; empty where there are none."""
        found: dict[str, str] = {}
        for split in self.own_splits:
            for label in dict.fromkeys(self.rows[split].labels):
                if label:
                    found.setdefault(folded(label), label)
        return in_order(list(found.values()))

    @property
    def state(self) -> tuple[object, ...]:
        """Names, labels, and what changes with each image."""
        return ([self._listed(split).identity for split in self.own_splits],)

    def settle(self, wanted: Sequence[str] | Mapping[str, str] | None) -> Classes:
        """By name, or by number where the labels are numbers; a class may have no image."""
        numbers = bool(self.ids) and all(map(_is_number, self.ids))
        if wanted is None:
            if numbers:
                raise BadSuite(f"Task `{self.task}`: the labels in `{self.where}` are numbers; give `classes`.")
            return match(self.task, None, self.ids)
        if isinstance(wanted, Mapping):
            return Classes(tuple(wanted.values()), tuple(wanted))
        names = tuple(wanted)
        own = {folded(label): label for label in self.ids}
        if numbers and not set(own) <= set(map(folded, names)):
            return Classes(names, tuple(map(str, range(len(names)))))
        return Classes(names, tuple(own.get(folded(name), name) for name in names) if own else ())

    def problems(self, ids: Sequence[str]) -> Sequence[str]:
        return [*self.flaws, *self._unlabelled(), *self._outside(ids)]

    def look(self, split: str) -> Listing:
        """The images of a split; labels are the places of their texts in `ids`, −1 for none."""
        rows = self.rows[split]
        number = {folded(label): at for at, label in enumerate(self.ids)}
        labels = np.array([number.get(folded(label), -1) for label in rows.labels], np.int64)
        told = "\n".join((*rows.names, *rows.labels)).encode("utf-8", "surrogatepass")
        return Listing(
            title=f"task `{self.task}`, split {split}",
            count=len(rows.names),
            labels=labels if (labels >= 0).any() else None,
            picture=lambda index: self.picture(split, index),
            name=lambda index: rows.names[index],
            identity=hashlib.sha256(told + self.facts(split).tobytes()).hexdigest(),
        )

    def renumbered(self, labels: np.ndarray, split: str, classes: int, ids: Sequence[str]) -> np.ndarray:
        """As the base does, whatever the spelling of `ids`."""
        own = {folded(label): label for label in self.ids}
        return super().renumbered(labels, split, classes, [own.get(folded(name), name) for name in ids])

    def _unlabelled(self) -> list[str]:
        found = []
        for split, rows in self.rows.items():
            without = [place for place, label in zip(rows.places, rows.labels, strict=True) if not label]
            if 0 < len(without) < len(rows.labels):
                found.append(f"{several(without)}: no label, which other images of split {split} have")
        return found

    def _outside(self, ids: Sequence[str]) -> list[str]:
        known = {folded(name): name for name in ids}
        found: dict[str, list[str]] = defaultdict(list)
        for rows in self.rows.values():
            for place, label in zip(rows.places, rows.labels, strict=True):
                if label and folded(label) not in known:
                    found[label].append(place)
        return shortened([self._stranger(label, places, ids) for label, places in found.items()], "other labels")

    def _stranger(self, label: str, places: Sequence[str], ids: Sequence[str]) -> str:
        numbered = list(ids) == list(map(str, range(len(ids))))
        known = f"0…{len(ids) - 1}" if numbered else ", ".join(ids) if len(ids) <= 8 else f"the {len(ids)} classes"
        near = get_close_matches(label, ids, 1) if not numbered else []
        meant = f"; perhaps `{near[0]}` is meant" if near else ""
        return f"{several(places)}: label `{label[:60]}` is none of {known}{meant}"


def several(places: Sequence[str]) -> str:
    """Places as one phrase, not all of many: `lines 3, 4 and 90 more`."""
    told = ", ".join(places[:_PLACES])
    if len(places) > 1 and places[0].startswith(WORDS):
        word = places[0].split()[0]
        told = f"{word}s {told.replace(f'{word} ', '')}"
    return told + (f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else "")


def shortened(flaws: list[str], what: str) -> list[str]:
    """At most `SHOWN` of them, and how many more there are."""
    return [*flaws[:SHOWN], f"and {len(flaws) - SHOWN:,} more {what}"] if len(flaws) > SHOWN else flaws


def _is_number(label: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", label) is not None
