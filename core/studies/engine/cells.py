"""A cell: one run that a study needs, described so completely that an equal one is never computed twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core import methods
from core.errors import BadInput
from core.problem.problem import Problem
from core.runs.spec import RunSpec
from core.settings import parse_stored


@dataclass(frozen=True)
class Cell:
    """One method with all its settings on some of a suite's tasks."""

    method: str
    settings: Mapping[str, Any]
    """Every setting of the method, the seed included; plain values."""
    tasks: tuple[str, ...]
    """Tasks whose experts are merged."""
    unseen: tuple[str, ...] = ()
    """Tasks that are evaluated only."""
    images: Mapping[str, Any] | None = None
    """How the test images are altered, see `core.problem.variants.variant`."""
    images_from: tuple[str, ...] = ()
    """Tasks whose images are learned from; empty: the merged ones."""
    measures: tuple[Mapping[str, Any], ...] = ()
    """What is measured beside accuracy: `{"name": …}` with the options of `core.measures`."""
    where: Mapping[str, Any] = field(default_factory=dict)
    """Its place in the study, such as `{"fraction": 0.01}`; no part of the key."""

    @property
    def seed(self) -> int:
        """The seed among the settings."""
        return int(self.settings.get("seed", 0))

    @property
    def title(self) -> str:
        """Its place in words, for lists of runs."""
        return ", ".join([*(f"{name} {value}" for name, value in self.where.items()), f"seed {self.seed}"])

    def plain(self) -> dict[str, Any]:
        """Ready for JSON and YAML; empty parts are left out."""
        values: dict[str, Any] = _ANY.dump_python(self, mode="json")
        return {name: value for name, value in values.items() if value or name in _NEEDED}

    def spec(self, problem: Problem, *, origin: str = "", name: str = "", **how: Any) -> RunSpec:
        """The run that the cell is, on a part of the loaded `problem`, computed there or as `how` says; raises
        `BadInput` for what is not known."""
        method = methods.get(self.method)
        return RunSpec.of(
            problem,
            method,
            parse_stored(method.Settings, self.settings, self.method),
            origin=origin,
            name=name,
            tasks=self.tasks,
            unseen=self.unseen,
            images=self.images,
            images_from=self.images_from,
            measures=self.measures,
            loaded=tuple(problem.heads),
            # λ and numbers are what a study is after; a hundred merged models would fill the disk.
            keep_model=False,
            **how,
        )

    def key(self, problem: Problem, **how: Any) -> str:
        """The key of its run; empty where there can be none."""
        try:
            return self.spec(problem, **how).key
        except BadInput:
            return ""

    @staticmethod
    def from_plain(values: Mapping[str, Any]) -> Cell:
        """The reverse of `plain`; raises `BadInput` for anything else."""
        try:
            return _ANY.validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            found = f"{'.'.join(map(str, first['loc'])) or 'a cell'}: {first['msg']}"
            raise BadInput(f"A cell of a study should hold method, settings and tasks. Found {found}.") from None


_ANY = TypeAdapter(Cell)
_NEEDED = ("method", "settings", "tasks", "where")
