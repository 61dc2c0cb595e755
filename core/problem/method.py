"""The method protocol: a name, a settings class and one generator of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import ClassVar, Generic

from typing_extensions import TypeVar

from core import objectives
from core.problem.mixture import Mixture
from core.problem.problem import Problem
from core.registry import Registry, named_by_file
from core.settings import MethodSettings
from core.step import Coefficients, Features, Form, Need, Outcome, State, Step, Weights

__all__ = [
    "Coefficients", "Features", "Formula", "Method", "Need", "Outcome", "Problem", "Role", "State", "Step", "Weights",
]  # fmt: skip

S = TypeVar("S", bound=MethodSettings, default=MethodSettings)
"""A method's settings; plain `Method` is one of which the caller knows no more, as the registry gives it."""
_LOSSES = ("objective", "select_by")
"""Settings that name an objective."""


class Role(StrEnum):
    """What a method is in a comparison."""

    LOWER = "lower reference"
    """What there is before merging."""
    UPPER = "upper reference"
    """What the experts reach, each on its own task."""
    YARDSTICK = "yardstick"
    """Trains the whole encoder; what merging is measured against."""
    RIVAL = "rival"
    """Merges, and competes with the others that do."""

    @property
    def competes(self) -> bool:
        """Whether it merges at all."""
        return self is Role.RIVAL

    @property
    def reference(self) -> bool:
        """Whether every evaluation measures it anyway: the base or the experts."""
        return self in (Role.LOWER, Role.UPPER)


class Method(ABC, Generic[S]):
    """A merging method. Adding a file with one concrete subclass to `core/methods` adds a method."""

    name: ClassVar[str] = named_by_file()
    """Stable: reports and scripts use it."""
    title: ClassVar[str]
    paper: ClassVar[str]
    """Citation with equation, and where this differs from the authors' code."""
    summary: ClassVar[str]
    """One or two sentences in plain words."""
    cost: ClassVar[str]
    """What it costs, in plain words."""
    role: ClassVar[Role] = Role.RIVAL
    starts_as: ClassVar[str] = ""
    """The method whose model step 0 is, with its scale at `init`, where no other `start` is set; empty: none."""
    trains: ClassVar[str] = "nothing"
    needs: ClassVar[Need] = Need.NOTHING
    single: ClassVar[bool] = True
    """Whether it makes one model for all tasks, which can be exported."""
    modules: ClassVar[bool] = False
    """Whether its result needs modules beside the encoder."""
    shares: ClassVar[bool] = False
    """Whether it works on task vectors that several processes hold (`core.problem.sharing`)."""
    Settings: type[S] = MethodSettings  # type: ignore[assignment]  # S where a method has none of its own

    @property
    def form(self) -> Form:
        """What its result consists of."""
        return Form.of(single=self.single, modules=self.modules)

    @abstractmethod
    def steps(self, problem: Problem, settings: S, resume: State | None = None) -> Iterator[Step]:
        """Yield the steps of one run; the last one carries the outcome.

        With `resume` (the `state()` of an earlier step) the generator goes on after that step and yields exactly
        what it would have yielded without stopping.
        """

    def outcome(self, problem: Problem, settings: S) -> Outcome:
        """What a whole run makes."""
        return [step.outcome for step in self.steps(problem, settings) if step.outcome is not None][-1]

    @property
    def random(self) -> bool:
        """Whether its result depends on the seed, so that studies of chance repeat it."""
        return self.needs is not Need.NOTHING

    def mixture(self, settings: S) -> Callable[[Problem], Mixture] | None:
        """Makes what λ weighs, the way from λ to weights; None where λ alone does not make the model."""
        return None

    def weights_at(self, problem: Problem, settings: S, coefficients: Coefficients) -> Weights | None:
        """The model that the method makes of λ, bit for bit its own; None where λ alone does not make it."""
        mixture = self.mixture(settings)
        return None if mixture is None else mixture(problem).at(coefficients)

    def total_steps(self, settings: S) -> int:
        """The number of the last step, for progress: the setting `steps`; 0 for methods that finish at once."""
        return int(getattr(settings, "steps", 0))

    def needed(self, settings: S) -> Need:
        """What these settings need: what the method declares, or more where a chosen loss or scale asks for it."""
        asked = [objectives.get(getattr(settings, name)).needs for name in _LOSSES if hasattr(settings, name)]
        asked += [Need.UNLABELLED] if getattr(settings, "auto_scale", False) else []
        return max([self.needs, *asked], key=list(Need).index)


class Formula(Method[S]):
    """A method that is done at once."""

    @abstractmethod
    def made(self, problem: Problem, settings: S) -> Outcome:
        """What the formula gives."""

    def steps(self, problem: Problem, settings: S, resume: State | None = None) -> Iterator[Step]:
        """One step, with the outcome."""
        made = self.made(problem, settings)
        yield Step(0, samples=made.images, outcome=made)


METHODS = Registry("core.methods", Method, "method")
"""Every method by its name. It stands here, since some methods begin at the model that another one makes."""
