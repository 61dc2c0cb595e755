"""A cell: one run that a study needs, described so completely that an equal one is never computed twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import BadInput
from core.export.report import version
from core.problem.problem import Problem


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
    """Its place in the study, such as `{"fraction": 0.01}`; no part of the content key."""

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
        values: dict[str, Any] = {"method": self.method, "where": dict(self.where), "tasks": list(self.tasks)}
        values |= {"unseen": list(self.unseen)} if self.unseen else {}
        values |= {"images": dict(self.images)} if self.images else {}
        values |= {"images_from": list(self.images_from)} if self.images_from else {}
        values |= {"measures": [dict(one) for one in self.measures]} if self.measures else {}
        return values | {"settings": dict(self.settings)}

    @staticmethod
    def from_plain(values: Mapping[str, Any]) -> Cell:
        """The reverse of `plain`; raises `BadInput` for anything else."""
        try:
            return Cell(
                method=str(values["method"]),
                settings=dict(values["settings"]),
                tasks=tuple(map(str, values["tasks"])),
                unseen=tuple(map(str, values.get("unseen", ()))),
                images=dict(values["images"]) if values.get("images") else None,
                images_from=tuple(map(str, values.get("images_from", ()))),
                measures=tuple(dict(one) for one in values.get("measures", ())),
                where=dict(values.get("where", {})),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                f"A cell of a study should hold method, settings and tasks. Found {type(error).__name__}: {error}."
            ) from None


def content_key(cell: Cell, problem: Problem) -> str:
    """Changes with all that the cell's result depends on: weights, images, heads, method, settings, precision."""
    roles = ("base", *cell.tasks)
    parts = {
        "mergescope": version(),
        "method": cell.method,
        "settings": dict(cell.settings),
        "tasks": list(cell.tasks),
        "unseen": list(cell.unseen),
        "images": dict(cell.images) if cell.images else None,
        "measures": [dict(one) for one in cell.measures],
        "weights": [problem.hashes.get(role) for role in roles],
        "content": [problem.content.get(task) for task in (*cell.tasks, *cell.unseen)],
        **({"images_from": list(cell.images_from)} if cell.images_from else {}),
        "execution": [problem.execution[name] for name in ("device", "precision", "deltas")],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
