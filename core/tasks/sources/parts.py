"""What every `data:` of a suite file says: which images make up which split, held-out ones and a limit included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

Split = Literal["train", "held-out", "test"]


class Entry(BaseModel):
    """A mapping of the suite file: unknown keys are errors, and nothing changes after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Entry):
    """Where the images of a task come from, and which of them are used."""

    kind: str
    held_out: float | None = Field(default=None, gt=0, lt=1)
    """Share of the train images (of the test images, where there are no others) that becomes the split `held-out`."""
    held_out_seed: int = Field(default=0, ge=0, lt=2**31)
    """Another number holds other images out."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many images per split, spread evenly over it."""
    skip_unreadable: bool = False
    """Leave out files that are no images instead of refusing all."""


@dataclass(frozen=True)
class Part:
    """One split as a part of one of the source's own splits."""

    split: str
    """The source's own split."""
    held: bool | None = None
    """True: the held-out share; False: all but it; None: everything."""
    share: float = 0.0
    seed: int = 0
    limit: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of the source's split."""
        return self.held is None and self.limit is None

    @property
    def identity(self) -> str:
        """Says which rows it has."""
        return f"held={self.held} share={self.share} seed={self.seed} limit={self.limit}"

    def rows(self, count: int) -> np.ndarray:
        """Rows int64 of the source's split of `count` images, rising; the same for equal arguments everywhere."""
        rows = np.arange(count)
        if self.held is not None:
            taken = round(count * self.share)
            order = np.random.default_rng(self.seed).permutation(count)
            rows = np.sort(order[:taken] if self.held else order[taken:])
        if self.limit is not None and self.limit < len(rows):
            rows = rows[np.linspace(0, len(rows) - 1, self.limit).astype(np.int64)]
        return rows


def parts(own: Sequence[str], entry: Data) -> dict[str, Part]:
    """Split -> part, for a source that itself has the splits `own`.

    A share to hold out is taken from `train`, or from `test` where there is no `train`; a source with an own held-out
    split keeps it.
    """
    found = {split: Part(split, limit=entry.limit) for split in own}
    giver = next((split for split in ("train", "test") if split in own), None)
    if entry.held_out is not None and "held-out" not in own and giver is not None:
        for split, held in ((giver, False), ("held-out", True)):
            found[split] = Part(giver, held, entry.held_out, entry.held_out_seed, entry.limit)
    return found


def told(found: dict[str, Part]) -> str:
    """Where the held-out images come from, as one phrase; empty where the source has its own or none."""
    part = found.get("held-out")
    if part is None or part.held is None:
        return ""
    return f"{part.share:.3g} of {part.split} held out, seed {part.seed}"
