"""What a person asks for on the page "Set up", in the form or in a settings file: checked and turned into a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core import methods
from core.cluster.connection import require
from core.errors import BadInput
from core.problem.problem import Problem
from core.progress import Progress
from core.runs.spec import RunSpec
from core.settings import parse
from core.suite.find import SuiteFile
from dashboard.asked import Line, checked
from dashboard.library import Library
from dashboard.pages.setup import shapes
from dashboard.settings_file import as_settings


class Asked(BaseModel):
    """What the page sends and a settings file holds."""

    model_config = ConfigDict(strict=True)

    suite: Line = "demo"
    tasks: list[str] | None = None
    method: Line = "adamerging"
    settings: dict[str, Any] = {}
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    evaluate_every: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    name: Line = ""
    on: Line = ""


@dataclass(frozen=True)
class Wish:
    """A checked request: everything in it exists and fits."""

    suite: SuiteFile
    spec: RunSpec
    device: str = "auto"
    """As it was asked for; the run's own is one that is here."""
    on: str = ""
    """The address of a Ray cluster; empty for this machine."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The chosen tasks, those without an expert last."""
        return (*self.spec.tasks, *(self.spec.execution.unseen or ()))

    def load(self, library: Library, told: Progress) -> Problem:
        """What the run will work on."""
        how = self.spec.execution
        return library.load(self.suite, self.tasks, device=how.device, precision=how.precision, progress=told)

    def plain(self) -> shapes.Asked:
        """What `read` takes."""
        precision = self.spec.execution.precision
        return {**as_settings(self.spec), "device": self.device, "precision": precision, "on": self.on}


def read(values: Any, library: Library) -> Wish:
    """Check untrusted `values` from the page or a file; raises `BadInput` that names what does not fit."""
    if not isinstance(values, Mapping):
        raise BadInput(f"Settings should be a mapping with `suite`, `method` and so on. Found {type(values).__name__}.")
    unknown = sorted(str(name)[:40] for name in values if name not in Asked.model_fields)
    if unknown:
        known = ", ".join(f"`{name}`" for name in Asked.model_fields)
        raise BadInput(f"Settings should hold {known}. Found also `{unknown[0]}`.")
    asked = checked(Asked, values)
    suite, method = library.suite(asked.suite), methods.get(asked.method)
    if asked.tasks is not None and not any(task in suite.experts for task in asked.tasks if suite.task(task)):
        raise BadInput("Choose at least one task that has an expert.")
    settings = parse(method.Settings, asked.settings, method.name)
    how = asked.model_dump(include={"tasks", "device", "precision", "evaluate_every", "name"})
    if asked.on:
        require(asked.on)
        how["device"] = "auto"  # The cluster may have devices that are not here.
    return Wish(suite, RunSpec.asked(suite, method, settings, **how), asked.device, asked.on)
