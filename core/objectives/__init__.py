"""What is minimised over λ; one file each."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, create_model

from core.objectives.base import Objective, ObjectiveSettings, Target
from core.registry import Registry
from core.settings import Settings

__all__ = ["Name", "Objective", "Target", "chosen", "get", "names", "tunable"]

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
    """A class decorator for settings with an `objective`: they get the settings of all objectives, the last ones.

    Raises `TypeError` where an objective's setting has a name that is taken.
    """
    taken = dict.fromkeys(settings.model_fields, settings.__name__)
    own: dict[type[ObjectiveSettings], None] = {}
    for name in names():
        one = get(name).Settings
        for field in one.model_fields if one not in own else ():
            if field in taken:
                raise TypeError(
                    f"Setting `{field}` of objective `{name}` should have a name of its own. Found it in "
                    f"`{taken[field]}` too; rename it, or let both objectives name one settings class."
                )
            taken[field] = one.__name__
        own[one] = None
    bases: Any = (*(one for one in reversed(own) if one is not ObjectiveSettings), settings)
    name, module, told = settings.__name__, settings.__module__, settings.__doc__
    made: type[T] = create_model(name, __base__=bases, __module__=module, __doc__=told)
    return made
