"""The objective protocol: what is minimised over λ, one value a sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar, Self

from torch import Tensor

from core.step import Need


class Target(StrEnum):
    """What an objective compares the merged model's logits with."""

    NOTHING = "nothing"
    LABELS = "labels"
    EXPERT = "logits of the task's own expert"
    MARGINAL = "logarithm of the running mean of the task's predicted probabilities"


class Objective(ABC):
    """A loss on logits. Adding a file with one concrete subclass to `core/objectives` adds an objective."""

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[Need] = Need.UNLABELLED
    target: ClassVar[Target] = Target.NOTHING

    def tuned(self, *, temperature: float, diversity: float) -> Self:
        """This objective with a method's settings; those that it does not have leave it as it is."""
        return self

    @abstractmethod
    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """Loss of each sample `[B]` in nats, float32 or float64, from logits `[B, C]` and the target, if any.

        A value a sample and no more, so that cutting a batch into micro-batches changes nothing.
        """
