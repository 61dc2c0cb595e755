"""The method protocol: a name, a settings class and one generator of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from core.settings import MethodSettings

if TYPE_CHECKING:
    from core.problem import Problem
    from core.task_vectors import TaskVectors

Weights = Mapping[str, Tensor]
State = Mapping[str, Tensor]
Features = Callable[[Weights, Tensor], Tensor]
"""Encoder weights and prepared images `[N, 3, S, S]` -> normalised features `[N, embed_dim]`."""


class Need(StrEnum):
    """What a method has to be given beside base and experts."""

    NOTHING = "nothing"
    UNLABELLED = "unlabelled images"
    LABELLED = "labelled images"
    TRAINING = "labelled training images"


class Form(StrEnum):
    """What a result consists of. Accuracies are compared within one form only."""

    ONE = "one model"
    MANY = "one model per task"
    MODULES = "needs task modules"

    @property
    def obstacle(self) -> str:
        """Why it can't be exported as a single checkpoint; empty where it can."""
        return {
            Form.ONE: "",
            Form.MANY: "it keeps one model per task, so there is no single one to export",
            Form.MODULES: "its model needs modules beside the encoder, which a plain checkpoint can't hold",
        }[self]


@dataclass(frozen=True)
class Coefficients:
    """λ of one step: `values[g, k]` belongs to group `groups[g]` and task `tasks[k]`."""

    groups: tuple[str, ...]
    tasks: tuple[str, ...]
    values: Tensor
    """`[groups, tasks]`, float32, as used in the merge (after the clamp, where there is one)."""


@dataclass(frozen=True)
class Outcome:
    """What a method made: weights of the image encoder, one set for all tasks or one per task."""

    weights_for: Callable[[str], Weights]
    """Task name -> weights of the encoder that serve the task."""
    single: bool = True
    """True where every task gets the same weights, so that they can be exported as one model."""
    features_for: Callable[[str], Features] | None = None
    """Task name -> what computes its features, where the encoder alone does not: the result then needs modules."""

    @staticmethod
    def of(weights: Weights) -> Outcome:
        """One merged model for all tasks."""
        return Outcome(lambda _task: weights)

    def features(self, task: str) -> Features | None:
        """What computes the features of a task; None where the encoder alone does."""
        return None if self.features_for is None else self.features_for(task)

    @property
    def form(self) -> Form:
        """What the result consists of."""
        return _form(self.single, self.features_for is not None)


@dataclass(frozen=True)
class Step:
    """One record of a run. Step 0 is the state before the first update."""

    number: int
    losses: Mapping[str, float] = field(default_factory=dict)
    """Task -> mean objective of this step's batch, in nats; empty for data-free methods."""
    entropies: Mapping[str, float] = field(default_factory=dict)
    """Task -> mean prediction entropy of this step's batch, in nats, whatever the objective."""
    seconds: float = 0.0
    samples: int = 0
    """Images used in this step, over all tasks."""
    coefficients: Coefficients | None = None
    state: Callable[[], State] | None = None
    """Everything needed to go on after this step, bit for bit; None where nothing can be resumed."""
    weights: Callable[[], Weights] | None = None
    """Computes the merged weights as they are after this step; None where they are not one model."""
    outcome: Outcome | None = None
    """What the method made; on the last step only."""


class Method(ABC):
    """A merging method. Adding a file with one concrete subclass to `core/methods` adds a method."""

    name: ClassVar[str]
    """Also the file's name; stable (reports and scripts use it)."""
    title: ClassVar[str]
    paper: ClassVar[str]
    """Citation with equation, and where this differs from the authors' code."""
    summary: ClassVar[str]
    """One or two sentences in plain words."""
    cost: ClassVar[str]
    """What it costs, in plain words."""
    trains: ClassVar[str] = "nothing"
    needs: ClassVar[Need] = Need.NOTHING
    single: ClassVar[bool] = True
    """Whether it makes one model for all tasks, which can be exported."""
    modules: ClassVar[bool] = False
    """Whether its result needs modules beside the encoder."""
    Settings: ClassVar[type[MethodSettings]] = MethodSettings

    @property
    def form(self) -> Form:
        """What its result consists of."""
        return _form(self.single, self.modules)

    @abstractmethod
    def steps(self, problem: Problem, settings: MethodSettings, resume: State | None = None) -> Iterator[Step]:
        """Yield the steps of one run; the last one carries the outcome.

        With `resume` (the `state()` of an earlier step) the generator goes on after that step and yields exactly
        what it would have yielded without stopping.
        """

    @property
    def random(self) -> bool:
        """Whether its result depends on the seed, so that studies of chance repeat it."""
        return self.needs is not Need.NOTHING

    def vectors(self, problem: Problem, settings: MethodSettings) -> TaskVectors | None:
        """The task vectors that λ scales; None where λ alone does not make the model."""
        return None

    def total_steps(self, settings: MethodSettings) -> int:
        """The number of the last step, for progress; 0 for methods that finish at once."""
        return 0

    def needed(self, settings: MethodSettings) -> Need:
        """What these settings need; by default what the method declares."""
        return self.needs


def _form(single: bool, modules: bool) -> Form:
    if modules:
        return Form.MODULES
    return Form.ONE if single else Form.MANY
