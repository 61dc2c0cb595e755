"""The objective protocol: what is minimised over λ, one value a sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, ClassVar, Generic, Self

from torch import Tensor
from typing_extensions import TypeVar

from core.settings import Settings, parse
from core.step import Need


class Target(StrEnum):
    """What an objective compares the merged model's logits with."""

    NOTHING = "nothing"
    LABELS = "labels"
    EXPERT = "logits of the task's own expert"
    MARGINAL = "logarithm of the running mean of the task's predicted probabilities"


class ObjectiveSettings(Settings):
    """What can be chosen about an objective; nothing unless a subclass says so.

    The fields become settings of every method that has an `objective`, under the same names.
    """


S = TypeVar("S", bound=ObjectiveSettings, default=ObjectiveSettings)
"""An objective's settings; plain `Objective` is one of which the caller knows no more."""


class Objective(ABC, Generic[S]):
    """A loss on logits. Adding a file with one concrete subclass to `core/objectives` adds an objective."""

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[Need] = Need.UNLABELLED
    target: ClassVar[Target] = Target.NOTHING
    Settings: type[S] = ObjectiveSettings  # type: ignore[assignment]  # S where an objective has none of its own

    def __init__(self, settings: S | None = None) -> None:
        self.settings: S = self.Settings() if settings is None else settings

    def tuned(self, **values: Any) -> Self:
        """This objective with other settings. Raises `BadInput` for those that it does not have or that do not fit."""
        return type(self)(parse(self.Settings, values, f"objective `{self.name}`"))

    @abstractmethod
    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """Loss of each sample `[B]` in nats, float32 or float64, from logits `[B, C]` and the target, if any.

        A value a sample and no more, so that cutting a batch into micro-batches changes nothing.
        """
