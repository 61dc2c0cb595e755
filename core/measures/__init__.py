"""What a run can measure beside accuracy, one file each; the result stands in its report under `measured`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from core.problem.method import Method
from core.problem.problem import Problem
from core.registry import Registry, named_by_file
from core.settings import MethodSettings
from core.statistics import Evaluation
from core.step import Coefficients, Outcome, Weights
from core.store import EvaluationRecord, StepRecord

__all__ = ["Measure", "Subject", "get", "names"]


@dataclass(frozen=True)
class Subject:
    """A run that has made its outcome."""

    problem: Problem
    method: Method
    settings: MethodSettings
    outcome: Outcome
    groups: tuple[str, ...]
    steps: Callable[[], Sequence[StepRecord]]
    """All recorded steps with λ."""
    watched: Sequence[EvaluationRecord] = ()
    """How far the run agreed with the experts on its way."""
    evaluations: Sequence[Evaluation] = ()
    """The final ones, on all test images."""

    def at(self, numbers: Sequence[int]) -> list[tuple[StepRecord, Weights]]:
        """The recorded steps of these numbers with their models; those that were never made are left out, and all of
        a method whose λ alone is not a model."""
        found = []
        for record in self.steps():
            if record.number in numbers and record.coefficients is not None:
                values = torch.from_numpy(np.array(record.coefficients))
                coefficients = Coefficients(self.groups, self.problem.tasks, values)
                weights = self.method.weights_at(self.problem, self.settings, coefficients)
                found += [(record, weights)] if weights is not None else []
        return found


class Measure(ABC):
    """Adding a file with one concrete subclass to `core/measures` adds a measure."""

    name: ClassVar[str] = named_by_file()
    looks: ClassVar[bool] = True
    """Whether it looks at the test images."""

    @abstractmethod
    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """Plain data, ready for JSON."""

    def evaluations(self, options: Mapping[str, Any]) -> int:
        """How many times every test image is looked at, for estimates of time: once, or for each of some `steps`."""
        return len(options.get("steps", ("end",))) if self.looks else 0


_registry = Registry(__name__, Measure, "measure")
names, get = _registry.names, _registry.get
