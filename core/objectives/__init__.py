"""What is minimised over λ, one value per sample; one file each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, Self

from pydantic import AfterValidator, create_model
from torch import Tensor
from typing_extensions import TypeVar

from core.registry import Registry, named_by_file
from core.settings import Settings, parse
from core.step import Need

__all__ = ["Name", "Objective", "ObjectiveSettings", "Target", "chosen", "get", "names", "tunable", "wide"]


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

    name: ClassVar[str] = named_by_file()
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

    def __call__(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """`per_sample` of logits in at least float32; autocast leaves them in bfloat16."""
        return self.per_sample(wide(logits), target)

    @abstractmethod
    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """Loss of each sample `[B]` in nats from logits `[B, C]`, float32 or float64, and the target, if any.

        One value per sample and no more, so that cutting a batch into micro-batches changes nothing. C may be 1.
        """


def wide(logits: Tensor) -> Tensor:
    """The same numbers in at least float32."""
    return logits if logits.dtype.itemsize >= 4 else logits.float()


T = TypeVar("T", bound=Settings)

_registry = Registry(__name__, Objective, "objective")
names, get = _registry.names, _registry.get


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(f"one of {', '.join(names())}")
    return name


Name = Annotated[str, AfterValidator(_known)]
"""The type of a setting that chooses an objective."""


def chosen(name: str, settings: Settings) -> Objective:
    """The objective of that name with its own settings, which `tunable` has put among these."""
    objective = get(name)
    return objective.tuned(**{name: getattr(settings, name) for name in objective.Settings.model_fields})


def tunable(settings: type[T]) -> type[T]:
    """A class decorator for settings with an `objective`: they get the settings of all objectives, the last ones."""
    own = dict.fromkeys(get(name).Settings for name in names())
    bases: Any = (*(one for one in reversed(own) if one is not ObjectiveSettings), settings)
    name, module, told = settings.__name__, settings.__module__, settings.__doc__
    made: type[T] = create_model(name, __base__=bases, __module__=module, __doc__=told)
    return made
