"""One task of a suite with everything settled: images, class names, templates and, unless it is unseen, an expert."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.tasks.sources import Data, Place, Source, open_source

OWN_HEAD = "own"
"""What `head` says in place of a file where the text tower in the expert's own file makes the head."""


@dataclass(frozen=True)
class Task:
    """What a suite file says about a task, with class names read from wherever it says they are."""

    name: str
    title: str
    data: Data
    place: Place = field(repr=False)
    classes: tuple[str, ...]
    """Empty where they come from images that are not there; `missing` says so."""
    templates: tuple[str, ...]
    ids: tuple[str, ...] = ()
    """The source's own names of the classes, in the same order; empty where it has none."""
    expert: Any = None
    """`core.suite.schema.ExpertEntry`; None for an unseen task."""
    head: str | None = None
    """The path of a ready head, as written, or `OWN_HEAD`; None where it is made from the texts."""

    def source(self) -> Source:
        """Its images; nothing is read yet."""
        return open_source(self.name, self.data, self.place)
