"""The order in which a method sees a task's images: reshuffled epochs that can be continued anywhere."""

from __future__ import annotations

from core.lazily import torch
from core.seeds import generator


class Stream:
    """Endless batches of image indices; each epoch is a fresh permutation, as with a reshuffling loader.

    The permutation of an epoch is a pure function of (seed, task name, epoch), so that the position alone restores the
    stream exactly, and the order of one task does not depend on which other tasks take part.
    """

    def __init__(
        self,
        task: str,
        count: int,
        batch: int,
        seed: int,
        fraction: float = 1.0,
        without: torch.Tensor | None = None,
        device: torch.device | None = None,
    ) -> None:
        """`device`: where the indices of a batch are wanted; each epoch is brought there once."""
        self._key, self._device = (seed, task), device
        everything = torch.randperm(count, generator=generator(*self._key, "subset")) if fraction < 1 else None
        pool = torch.arange(count) if everything is None else everything
        if without is not None:  # First, so that a share of the images is as many as it would be with all.
            pool = pool[~torch.isin(pool, without)]
        self.pool = pool[: max(1, round(count * fraction))]
        """Indices int64 `[size]` of the images that the stream draws from."""
        self._batch = min(batch, len(self.pool))
        self._order = dict[int, torch.Tensor]()
        self.position = 0
        """Batches handed out so far."""

    @property
    def size(self) -> int:
        """Distinct images that the stream draws from."""
        return len(self.pool)

    @property
    def epoch(self) -> int:
        """Batches after which images come again."""
        return len(self.pool) // self._batch

    def repeats(self, steps: int) -> bool:
        """Whether some image comes more than once in so many batches."""
        return steps * self._batch > len(self.pool)

    def next(self) -> torch.Tensor:
        """Indices int64 `[batch]` of the next batch; a last, smaller batch of an epoch is left out."""
        found = self.peek()
        self.position += 1
        return found

    def peek(self) -> torch.Tensor:
        """What `next` would give."""
        epoch, at = divmod(self.position, self.epoch)
        if epoch not in self._order:
            order = torch.randperm(len(self.pool), generator=generator(*self._key, f"epoch {epoch}"))
            self._order = {epoch: self.pool[order].to(self._device)}
        return self._order[epoch][at * self._batch : (at + 1) * self._batch]

    def seek(self, position: int) -> None:
        """Go on as if `position` batches had been handed out."""
        self.position = position
