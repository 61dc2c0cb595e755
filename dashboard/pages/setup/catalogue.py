"""The methods as forms: every setting with its plain words, limits, choices, default and where the default is from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core import methods, objectives
from core.learning import starts
from core.problem.method import Method
from core.step import Need
from dashboard import wording
from dashboard.pages.setup.shapes import Field, Form

ESSENTIAL = frozenset(
    {"adapt_on", "batch", "group", "keep", "lr", "objective", "scale", "steps", "fraction", "init", "rank"}
)
"""Settings that are shown at once; the others wait under "More options"."""
KINDS = {"boolean": "bool", "integer": "int", "number": "float"}
FEW = 4
"""Up to so many settings of a method are all shown at once, whatever their names."""


def describe_all() -> list[Form]:
    """Every method of the registry, in the order of the menu."""
    return [describe(method) for method in sorted(map(methods.get, methods.names()), key=wording.family_order)]


def describe(method: Method) -> Form:
    """One method as plain values."""
    return {
        "name": method.name,
        "title": method.title,
        "family": wording.FAMILIES[wording.family(method)],
        "summary": method.summary,
        "paper": method.paper,
        "cost": method.cost,
        "trains": method.trains,
        "needs": wording.needs(method.needs.value, method.needs is Need.UNLABELLED),
        "fields": _fields(method),
    }


def _fields(method: Method) -> list[Field]:
    """Every setting; a method with few shows them all at once."""
    found = [field(name, known) for name, known in method.Settings.model_json_schema()["properties"].items()]
    own = [one for one in found if one["name"] != "seed"]
    if len(own) <= FEW:
        for one in own:
            one["essential"] = True
    return found


def field(name: str, known: Mapping[str, Any]) -> Field:
    """One setting, from its JSON schema."""
    choices = known.get("enum", ())
    if not choices and name in ("objective", "start"):
        choices = objectives.names() if name == "objective" else starts.names()
    return {
        "name": name,
        "title": wording.field_title(name),
        "help": known.get("description", ""),
        "kind": "choice" if choices else KINDS.get(known.get("type", ""), "text"),
        "choices": [{"value": value, "title": wording.choice_title(value)} for value in choices],
        "default": known["default"],
        "source": str(known.get("source", "")),
        "essential": name in ESSENTIAL,
        "min": known.get("minimum"),
        "max": known.get("maximum"),
        "above": known.get("exclusiveMinimum"),
        "below": known.get("exclusiveMaximum"),
    }
