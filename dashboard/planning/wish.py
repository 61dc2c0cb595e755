"""What a person asks for on the page "Set up": checked, turned into a request, written to and read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from core import methods
from core.errors import BadInput
from core.problem.method import Method
from core.runs.spec import RunSpec
from core.settings import MethodSettings, parse
from core.suite.find import SuiteFile
from dashboard.library import Library

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16")
MAX_YAML = 64 * 1024
_KEYS = ("suite", "tasks", "method", "settings", "device", "precision", "evaluate_every", "name")


@dataclass(frozen=True)
class Wish:
    """A checked request: everything in it exists and fits."""

    suite: SuiteFile
    tasks: tuple[str, ...]
    method: Method
    settings: MethodSettings
    device: str = "auto"
    precision: str = "auto"
    evaluate_every: int = 0
    name: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The settings as they were given."""

    @property
    def experts(self) -> tuple[str, ...]:
        """The chosen tasks that take part in the merge."""
        return tuple(name for name in self.tasks if name in self.suite.experts)

    @property
    def spec(self) -> RunSpec:
        """The run that is asked for."""
        return RunSpec.asked(
            self.suite,
            self.method,
            self.settings,
            tasks=self.tasks,
            device=self.device,
            precision=self.precision,
            evaluate_every=self.evaluate_every,
            name=self.name,
        )


def read(values: Any, library: Library) -> Wish:
    """Check untrusted `values` from the page or a file; raises `BadInput` that names what does not fit."""
    if not isinstance(values, Mapping):
        raise BadInput(f"Settings should be a mapping with `suite`, `method` and so on. Found {type(values).__name__}.")
    unknown = sorted(str(name)[:40] for name in values if name not in _KEYS)
    if unknown:
        raise BadInput(f"Settings should hold {', '.join(f'`{key}`' for key in _KEYS)}. Found also `{unknown[0]}`.")
    suite = library.suite(_text(values, "suite", "demo"))
    method = methods.get(_text(values, "method", "adamerging"))
    given = values.get("settings", {})
    if not isinstance(given, Mapping):
        raise BadInput(f"`settings` should be a mapping from names to values. Found {type(given).__name__}.")
    every = values.get("evaluate_every", 0)
    if not isinstance(every, int) or isinstance(every, bool) or not 0 <= every <= 1_000_000:
        raise BadInput(f"`evaluate_every` should be 0 (only at the end) or a number of steps. Found {_short(every)}.")
    name = _text(values, "name", "")
    if len(name) > 100 or not name.isprintable():
        raise BadInput(f"`name` should be at most 100 printable characters. Found {_short(name)}.")
    return Wish(
        suite=suite,
        tasks=_tasks(values.get("tasks"), suite),
        method=method,
        settings=parse(method.Settings, {str(key): value for key, value in given.items()}, method.name),
        device=_one_of(values, "device", DEVICES),
        precision=_one_of(values, "precision", PRECISIONS),
        evaluate_every=every,
        name=name,
        given=dict(given),
    )


def to_yaml(wish: Wish) -> str:
    """A file that `from_yaml` and people can read."""
    values = {
        "suite": wish.suite.name,
        "tasks": list(wish.tasks),
        "method": wish.method.name,
        "settings": wish.settings.model_dump(mode="json"),
        "device": wish.device,
        "precision": wish.precision,
        "evaluate_every": wish.evaluate_every,
        "name": wish.name,
    }
    return '# Settings of a Mergescope run; load them on the page "Set up".\n' + yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True
    )


def from_yaml(text: Any, library: Library) -> Wish:
    """Read settings from untrusted text; raises `BadInput`."""
    if not isinstance(text, str) or len(text) > MAX_YAML:
        raise BadInput(f"A settings file should be a YAML text of at most {MAX_YAML // 1024} KiB.")
    if "&" in text and "*" in text and any(isinstance(t, yaml.AliasToken) for t in _tokens(text)):
        raise BadInput("A settings file should not use YAML aliases (`*name`). Write the values out.")
    try:
        values = yaml.safe_load(text)
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


def _tasks(given: Any, suite: SuiteFile) -> tuple[str, ...]:
    if given is None:
        return tuple(task.name for task in suite.tasks)
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise BadInput(f"`tasks` should be a list of task names. Found {_short(given)}.")
    for name in given:
        suite.task(name)
    chosen = tuple(task.name for task in suite.tasks if task.name in given)
    if not any(name in suite.experts for name in chosen):
        raise BadInput("`tasks` should hold at least one task with an expert. Found none. Choose a task.")
    return chosen


def _text(values: Mapping[Any, Any], key: str, default: str) -> str:
    value = values.get(key, default)
    if not isinstance(value, str):
        raise BadInput(f"`{key}` should be a text. Found {_short(value)}.")
    return value


def _one_of(values: Mapping[Any, Any], key: str, choices: tuple[str, ...]) -> str:
    value = _text(values, key, choices[0])
    if value not in choices:
        raise BadInput(f"`{key}` should be one of {', '.join(choices)}. Found {_short(value)}.")
    return value


def _short(value: Any) -> str:
    return repr(value)[:60]
