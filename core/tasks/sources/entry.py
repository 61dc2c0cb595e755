"""What every kind of `data:` in a suite file has in common."""

from __future__ import annotations

from typing import Literal

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
