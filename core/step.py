"""What a run is made of: the steps that a method yields, λ and the model in them, and what it has to be given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from torch import Tensor

from core.statistics import Evaluation, Half

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

    @staticmethod
    def of(*, single: bool, modules: bool) -> Form:
        """The form of a result that is one model for all tasks or not, and needs modules or not."""
        if modules:
            return Form.MODULES
        return Form.ONE if single else Form.MANY

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
    chosen: Mapping[str, float] = field(default_factory=dict)
    """What was chosen by the experts' answers, such as the `factor` on a merged task vector, and its `kl` in nats."""
    images: int = 0
    """Images that were looked at to choose, over all tasks."""

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
        return Form.of(single=self.single, modules=self.features_for is not None)


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
    watched: Mapping[Half, Sequence[Evaluation]] = field(default_factory=dict)
    """What the model after this step achieves on the images that are watched, where it was measured; with the outcome,
    the reporting half is that of the outcome's model."""
    more: bool = False
    """Whether the next step has been made too and comes at once: both can be stored together."""
    kept: int | None = None
    """With the outcome: the step whose model it is; None where steps are not watched."""
