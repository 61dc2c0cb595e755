"""What a task's images are, at a glance: counts, classes, problems, and a few pictures; nothing large is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.errors import BadSuite
from core.tasks.decode import Unreadable
from core.tasks.images import SPLITS
from core.tasks.sources import Source
from core.tasks.sources.parts import told


@dataclass(frozen=True)
class Description:
    """What `describe` finds."""

    images: Mapping[str, int]
    """Split -> number of files or images, unreadable ones included."""
    labelled: Mapping[str, bool]
    """Split -> whether labels are known."""
    held_out: str
    """Where held-out images are taken from; empty where the source has its own or none."""
    problems: tuple[str, ...]
    """What keeps the images from being used, one line each."""


def describe(source: Source) -> Description:
    """What an opened source leads to; problems are told, not raised."""
    try:
        if gone := source.missing():
            return Description({}, {}, "", (gone,))
        return Description(
            {split: source.count(split) for split in source.splits},
            {split: source.labelled(split) for split in source.splits},
            told(source.parts),
            () if "test" in source.splits else (f"no split `test`; found {', '.join(source.splits) or 'no images'}",),
        )
    except BadSuite as error:
        return Description({}, {}, "", (str(error),))


def pictures(source: Source, count: int, classes: int | None = None) -> list[Image.Image]:
    """Up to `count` decoded pictures of as many classes as there are, from the first split of test, held-out, train.

    Raises `BadSuite`; pictures that can't be read are left out.
    """
    split = next((split for split in reversed(SPLITS) if split in source.splits), None)
    if split is None:
        return []
    listing = source.listing(split)
    if classes is not None and listing.labels is not None and not source.ids:
        source.renumbered(listing.labels, split, classes, ())
    found = []
    for index in different(listing.labels, listing.count, count):
        try:
            found.append(listing.picture(index).convert("RGB"))
        except Unreadable:
            continue
    return found


def different(labels: np.ndarray | None, count: int, wanted: int) -> list[int]:
    """Indices of up to `wanted` of `count` images, of as many classes as there are; rising."""
    if labels is None:
        return [int(index) for index in np.linspace(0, count - 1, min(wanted, count))]
    first = np.sort(np.unique(labels, return_index=True)[1])
    if len(first) < wanted:
        rest = np.setdiff1d(np.arange(min(count, 200)), first)
        return [int(index) for index in np.concatenate([first, rest])[:wanted]]
    return [int(first[place]) for place in np.linspace(0, len(first) - 1, wanted).astype(int)]
