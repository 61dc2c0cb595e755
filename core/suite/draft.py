"""A suite put together by a person: written as a suite file, checked like any other, saved with their other suites."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from core.errors import BadInput, BadSuite
from core.files import write_text
from core.paths import ASSETS, home
from core.suite.find import SuiteFile
from core.suite.parsing import parse_text

HEADER = '# Made on the page "Checkpoints"; can be edited by hand.\n'


def own_suites() -> Path:
    """The folder of the person's own suites."""
    return home() / "suites"


def as_suite(draft: Mapping[str, Any]) -> SuiteFile:
    """The suite that untrusted values from a page describe, not saved; raises `BadSuite` with a line per mistake."""
    try:
        entry = parse_text(to_yaml(draft), "")
    except BadSuite as error:
        # Lines of a file that nobody has seen yet mean nothing to a person; the keys do.
        lines = [line.partition(": ")[2] or line for line in str(error).splitlines()]
        raise BadSuite("\n".join(lines)) from None
    return SuiteFile(own_suites() / f"{entry.name}.yaml", own_suites(), entry)


def save(draft: Mapping[str, Any], *, replace: bool = False) -> Path:
    """Write the suite's file, called as the suite, and return it; one of that name stays unless `replace`.

    Raises `BadSuite` as `as_suite`, `BadInput` for a name that is taken.
    """
    suite = as_suite(draft)
    if (ASSETS / "suites" / suite.path.name).is_file():
        raise BadInput(f"`name` should not be that of a bundled suite. Found `{suite.name}`; choose another.")
    if suite.path.exists() and not replace:
        raise BadInput(
            f"`name` should be new. Found `{suite.name}`, which is taken; choose another, or choose to replace it."
        )
    _ = suite.tasks  # Class names that do not fit the images are told before anything is written.
    write_text(suite.path, to_yaml(draft))
    return suite.path


def to_yaml(draft: Mapping[str, Any]) -> str:
    """The text of the suite file."""
    return HEADER + yaml.safe_dump(_plain(draft), sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any) -> Any:
    """Only what YAML can say about a suite: mappings, lists, texts, numbers; empty optional parts left out."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each not in (None, "", {}, [])}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool) else str(value)
