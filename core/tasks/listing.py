"""One split of a source before anything is decoded: how many images, their labels, and how to get at each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Listing:
    """What the image cache is filled from."""

    title: str
    """For progress and messages: task and split."""
    count: int
    labels: np.ndarray | None
    """int64 `[N]`, in the source's own numbers; None where they are not known."""
    picture: Callable[[int], Image.Image]
    """The decoded picture at an index; raises `core.tasks.decode.Unreadable`."""
    name: Callable[[int], str]
    """What a message calls the picture at an index."""
    identity: str
    """Changes whenever a picture or the order may have changed."""
    parallel: bool = True
    """Whether `picture` may be called from several threads at once."""

    def chosen(self, rows: np.ndarray, why: str) -> Listing:
        """These rows alone, int `[M]`; `why` says how they were chosen."""
        return replace(
            self,
            count=len(rows),
            labels=None if self.labels is None else self.labels[rows],
            picture=lambda index: self.picture(int(rows[index])),
            name=lambda index: self.name(int(rows[index])),
            identity=f"{self.identity} {why}",
        )
