"""The one way from λ to merged weights: learning, resuming, previews and changed λ all go through it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from core.errors import BadInput
from core.problem.grouping import Grouping, GroupKind, group
from core.problem.task_vectors import TaskVectors
from core.step import Coefficients, Weights


@dataclass(frozen=True)
class Mixture:
    """θ(λ) = origin + Σ_k λ[g, k] τ_k of one method with one choice of settings."""

    vectors: TaskVectors
    """As the method prepares them: trimmed, say, or around the model that λ starts at."""
    grouping: Grouping

    @staticmethod
    def of(vectors: TaskVectors, kind: GroupKind) -> Mixture:
        """These task vectors with one λ per task and group of that kind."""
        return Mixture(vectors, group(vectors.names, kind))

    def weights(self, values: Tensor) -> dict[str, Tensor]:
        """Newly allocated merged weights for λ `[groups, tasks]`."""
        return self.vectors.named(self.vectors.combine(values, self.grouping.row_of))

    def at(self, coefficients: Coefficients) -> Weights:
        """Merged weights for a stored λ, tasks and groups matched by name; raises `BadInput` where they are others."""
        expected, found = self.grouping.groups, coefficients.groups
        if found != expected or set(coefficients.tasks) != set(self.vectors.tasks):
            raise BadInput(
                f"λ should belong to the {len(expected)} groups and the tasks {', '.join(self.vectors.tasks)} of the "
                f"suite. Found {len(found)} groups and {', '.join(coefficients.tasks)}: the suite has changed since. "
                "Choose a run of the present suite."
            )
        order = [coefficients.tasks.index(task) for task in self.vectors.tasks]
        return self.weights(coefficients.values[:, order].to(self.vectors.origin))
