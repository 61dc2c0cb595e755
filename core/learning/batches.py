"""What a learning method sees: one batch of every task per step, with what its objective compares with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.errors import BadInput
from core.learning.ahead import Ahead
from core.objectives import Objective, Target
from core.problem.merged import Batch, Measured
from core.problem.problem import Problem
from core.step import Need, State
from core.tasks import Pixels, Stream

MOMENTUM = 0.1
"""Weight of a step's mean prediction in the running mean; sixteen images per step make about 160 images of memory."""


class Batches:
    """Endless batches of the tasks' images in an order that seed and position alone decide.

    Of a task the images `without` are never drawn. With `once` no image is meant to come a second time: `steps` says
    how many there are then. Raises `BadInput` where the objective needs labels that are not known.
    """

    def __init__(
        self,
        problem: Problem,
        objective: Objective,
        *,
        split: str,
        batch: int,
        seed: int,
        steps: int,
        fraction: float = 1.0,
        without: Mapping[str, Tensor] | None = None,
        once: bool = False,
    ) -> None:
        self._problem, self._objective, self._split = problem, objective, split
        self._batch, without = batch, without or {}
        self._ahead: Ahead | None = None
        self._streams, self._held, self._labels = dict[str, Stream](), dict[str, Pixels](), dict[str, Tensor]()
        for task in problem.images_from or problem.tasks:
            count, held, labels = self._count(task), problem.near(task, split), problem.split(task, split).labels
            device = held.device if isinstance(held, Tensor) else None
            self._streams[task] = Stream(task, count, batch, seed, fraction, without.get(task), device)
            self._held[task] = held
            if problem.apart and device != problem.device:
                self._ahead = self._ahead or Ahead(self._pinned)
            if objective.target is Target.LABELS and labels is not None:
                self._labels[task] = labels.to(problem.small)
        self.steps = min(steps, *(stream.epoch for stream in self._streams.values())) if once else steps
        """For how many steps there are images."""
        self._answers = {t: self._expert_logits(t, s) for t, s in self._streams.items() if s.repeats(self.steps)}
        # Uniform at first: the objective is then the entropy less a constant.
        self._marginals = {
            task: torch.full((classes := len(problem.heads[task]),), 1 / classes).double().to(problem.small)
            for task in (self._streams if objective.target is Target.MARGINAL else ())
        }

    def _expert_logits(self, task: str, stream: Stream) -> Tensor | None:
        """The expert's logits of every image, once for all where images come again."""
        if self._objective.target is not Target.EXPERT:
            return None
        images = self._problem.images(task, self._split)
        pool = stream.pool.sort().values
        logits = self._problem.logits(self._problem.task_vectors.expert(task), task, images[pool])
        known = logits.new_full((len(images), logits.shape[1]), float("nan")).index_copy(0, pool, logits)
        return known.to(self._problem.small)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Whose images these are."""
        return tuple(self._streams)

    def _count(self, task: str) -> int:
        if self._objective.target is Target.EXPERT and task not in self._problem.tasks:
            raise BadInput(
                f"Objective `{self._objective.name}` needs the expert of each task. Found none for `{task}`; choose "
                "another objective (entropy) or merge that expert too."
            )
        images = self._problem.split(task, self._split)
        if self._objective.needs is not Need.UNLABELLED and images.labels is None:
            raise BadInput(
                f"Objective `{self._objective.name}` needs labels. Found none for task `{task}`, split "
                f"`{self._split}`; choose a label-free objective (entropy, expert_kl) or leave the task out."
            )
        return len(images)

    @property
    def fixed(self) -> bool:
        """Whether all that a batch is made of lies on the device and stays there."""
        asked = self._objective.target is Target.EXPERT and len(self._answers) < len(self._streams)
        return self._ahead is None and not asked

    def tensors(self) -> list[Tensor]:
        """What `note` changes."""
        return list(self._marginals.values())

    @property
    def images_per_step(self) -> int:
        """Images of one step, over all tasks."""
        return sum(min(self._batch, stream.size) for stream in self._streams.values())

    def next(self) -> list[Batch]:
        """The next batch of every task."""
        return self.of(self.draw())

    def draw(self) -> dict[str, Tensor]:
        """Task -> indices of the next batch, where the task's images lie."""
        return {task: stream.next() for task, stream in self._streams.items()}

    def of(self, drawn: Mapping[str, Tensor]) -> list[Batch]:
        """The batches of what was drawn."""
        if self._ahead is None:
            pixels = {task: self._held[task][chosen] for task, chosen in drawn.items()}
        else:
            pixels = self._ahead.take(drawn, {task: stream.peek() for task, stream in self._streams.items()})
        return [self._of(task, chosen, pixels[task]) for task, chosen in drawn.items()]

    def _pinned(self, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Pixels in memory that the device fetches from by itself, or on the device already."""
        pixels = {task: self._held[task][chosen] for task, chosen in drawn.items()}
        return {task: found.pin_memory() if found.device.type == "cpu" else found for task, found in pixels.items()}

    def _of(self, task: str, chosen: Tensor, pixels: Tensor) -> Batch:
        match self._objective.target:
            case Target.LABELS if (labels := self._labels.get(task)) is not None:
                return Batch(task, pixels, labels[chosen.to(labels.device)])
            case Target.EXPERT if (known := self._answers.get(task)) is not None:
                return Batch(task, pixels, known[chosen.to(known.device)])
            case Target.EXPERT:
                return Batch(task, pixels, self._problem.logits(self._problem.task_vectors.expert(task), task, pixels))
            case Target.MARGINAL:
                row = self._marginals[task].log().to(self._problem.task_vectors.origin.dtype)
                return Batch(task, pixels, row.expand(len(pixels), -1))
        return Batch(task, pixels)

    def note(self, measured: Measured) -> None:
        """Let a step's predictions enter the running means."""
        for task, mean in self._marginals.items():
            mean.lerp_(measured.predictions[task].to(mean), MOMENTUM)

    def state(self) -> State:
        """Where the batches stand; a stream's permutations are functions of seed, task and number of passes."""
        positions = {"positions": torch.tensor([stream.position for stream in self._streams.values()])}
        return positions | {f"marginal {at}": mean.clone() for at, mean in enumerate(self._marginals.values())}

    def restore(self, state: State) -> None:
        """Go on where `state` was taken."""
        for stream, position in zip(self._streams.values(), state["positions"].tolist(), strict=True):
            stream.seek(position)
        for at, mean in enumerate(self._marginals.values()):
            mean.copy_(state[f"marginal {at}"])
