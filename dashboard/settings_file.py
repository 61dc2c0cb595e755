"""The settings of a run as a YAML file: what Set up and Share write, and Set up loads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from typing_extensions import TypedDict

from core.errors import BadInput
from core.runs.spec import RunSpec

MAX_YAML = 64 * 1024


class Settings(TypedDict):
    """What of a run, asked for or made, another one can be asked for with."""

    suite: str
    tasks: list[str]
    method: str
    settings: dict[str, Any]
    evaluate_every: int
    name: str


def as_settings(spec: RunSpec) -> Settings:
    """Those of a run."""
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


def from_yaml(given: Any) -> Any:
    """The values in untrusted text, of which only the form has been checked; raises `BadInput`."""
    if not isinstance(given, str) or len(given) > MAX_YAML:
        raise BadInput(f"A settings file should be a YAML text of at most {MAX_YAML // 1024} KiB.")
    if "&" in given and "*" in given and any(isinstance(t, yaml.AliasToken) for t in _tokens(given)):
        raise BadInput("A settings file should not use YAML aliases (`*name`). Write the values out.")
    try:
        return yaml.safe_load(given)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise BadInput(
            f"A settings file should be valid YAML. Found{where}: {getattr(error, 'problem', '') or 'no YAML'}."
        ) from None


def _tokens(text: str) -> list[yaml.Token]:
    try:
        return list(yaml.scan(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
