"""The shapes of all answers as TypeScript, for the checks of the scripts: dashboard/answers.d.ts.

python -m tests.dashboard.declared > dashboard/answers.d.ts
"""

from __future__ import annotations

import json
import sys
from collections import abc
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", NoneType: "null", Any: "any", object: "any"}
UNSAID = ("core", "dashboard", "pages", "page", "service")
LISTS = (list, Sequence, abc.Sequence)
HEAD = """// What each question is answered; made by `python -m tests.dashboard.declared` from the types of its desk.
"""


class Declarations:
    """Interfaces by name, as they are met."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def of(self, kind: Any) -> str:
        """The type as it is written; raises `TypeError` for one that JSON has not."""
        origin, inner = get_origin(kind), get_args(kind)
        if origin in (Annotated, NotRequired):
            return self.of(inner[0])
        if origin in (Union, UnionType):
            return " | ".join(dict.fromkeys(map(self.of, inner)))
        if origin is Literal:
            return " | ".join(map(json.dumps, inner))
        if origin is tuple and inner[-1] is not Ellipsis:
            return f"[{', '.join(map(self.of, inner))}]"
        if origin in (*LISTS, tuple):
            return f"Array<{self.of(inner[0])}>"
        if origin in (dict, abc.Mapping):
            return f"Record<string, {self.of(inner[1])}>"
        if kind in PLAIN:
            return PLAIN[kind]
        if isinstance(kind, type) and issubclass(kind, Enum):
            return " | ".join(json.dumps(one.value) for one in kind)
        if is_typeddict(kind) or is_dataclass(kind):
            return self._interface(kind)
        raise TypeError(f"{kind} should be a type that JSON has.")

    def _interface(self, kind: Any) -> str:
        rooms = [part for part in kind.__module__.split(".") if part not in UNSAID]
        name = "".join(part.title() for part in "_".join(rooms).split("_")) + kind.__name__
        if name not in self.made:
            self.made[name] = ""
            hints = get_type_hints(kind, include_extras=True)
            names = [one.name for one in fields(kind)] if is_dataclass(kind) else list(hints)
            # Annotations that are text hide NotRequired from `__optional_keys__`.
            hidden = [each for each in names if get_origin(hints[each]) is NotRequired]
            optional = {*getattr(kind, "__optional_keys__", ()), *hidden}
            rows = [f"  {each}{'?' if each in optional else ''}: {self.of(hints[each])};" for each in names]
            self.made[name] = "\n".join([f"export interface {name} {{", *rows, "}"])
        return name


def text() -> str:
    """The whole file."""
    from dashboard import page, settings

    settings.prepare()
    page.pages(False)
    from dashboard.charts import service  # noqa: F401
    from dashboard.door import QUESTIONS, Failed

    found = Declarations()
    rows = []
    for name, question in sorted(QUESTIONS.items()):
        told = found.of(get_type_hints(question.method, include_extras=True)["return"] | Failed)
        rows.append(f"  {name}: {told};")
    answers = "\n".join(["export interface Answers {", *rows, "}"])
    return "\n".join([HEAD, *found.made.values(), answers, ""])


if __name__ == "__main__":
    sys.stdout.write(text())
