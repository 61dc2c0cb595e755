"""What a person asks for on the page "Set up": checked, turned into a request, written to and read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from core import methods
from core.errors import BadInput
from core.problem.problem import Problem
from core.progress import Progress
from core.runs.spec import RunSpec
from core.settings import parse
from core.suite.find import SuiteFile
from dashboard.asked import Line, checked
from dashboard.library import Library
from dashboard.planning import shapes

MAX_YAML = 64 * 1024


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


@dataclass(frozen=True)
class Wish:
    """A checked request: everything in it exists and fits."""

    suite: SuiteFile
    spec: RunSpec
    device: str = "auto"
    """As it was asked for; the run's own is one that is here."""

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
        return {**as_settings(self.spec), "device": self.device, "precision": self.spec.execution.precision}


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
        raise BadInput("`tasks` should hold at least one task with an expert. Found none. Choose a task.")
    settings = parse(method.Settings, asked.settings, method.name)
    how = asked.model_dump(include={"tasks", "device", "precision", "evaluate_every", "name"})
    return Wish(suite, RunSpec.asked(suite, method, settings, **how), asked.device)


def as_settings(spec: RunSpec) -> shapes.Basics:
    """What another run can be asked for with."""
    return {
        "suite": spec.suite,
        "tasks": [*spec.tasks, *(spec.execution.unseen or ())],
        "method": spec.method.name,
        "settings": spec.settings.model_dump(mode="json"),
        "evaluate_every": spec.execution.evaluate_every,
        "name": spec.name,
    }


def to_yaml(values: Mapping[str, Any]) -> str:
    """A file that `from_yaml` and people can read."""
    body = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
    return f'# Settings of a Mergescope run; load them on the page "Set up".\n{body}'


def from_yaml(given: Any, library: Library) -> Wish:
    """Read settings from untrusted text; raises `BadInput`."""
    if not isinstance(given, str) or len(given) > MAX_YAML:
        raise BadInput(f"A settings file should be a YAML text of at most {MAX_YAML // 1024} KiB.")
    if "&" in given and "*" in given and any(isinstance(t, yaml.AliasToken) for t in _tokens(given)):
        raise BadInput("A settings file should not use YAML aliases (`*name`). Write the values out.")
    try:
        values = yaml.safe_load(given)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise BadInput(
            f"A settings file should be valid YAML. Found{where}: {getattr(error, 'problem', '') or 'no YAML'}."
        ) from None
    return read(values, library)


def _tokens(text: str) -> list[yaml.Token]:
    try:
        return list(yaml.scan(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
