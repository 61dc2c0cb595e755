"""The methods as forms: every setting with its plain words, limits, choices, default and where the default is from."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from core import methods, objectives
from core.learning import starts
from core.problem.method import Method
from core.step import Need
from dashboard import wording

ESSENTIAL = frozenset(
    {"adapt_on", "batch", "group", "keep", "density", "lr", "objective", "scale", "steps", "fraction", "init", "rank"}
)
"""Settings that are shown at once; the others wait under "More options"."""
FEW = 4
"""Up to so many settings of a method are all shown at once, whatever their names."""


def describe_all() -> list[dict[str, Any]]:
    """Every method of the registry, in the order of the menu."""
    return [describe(method) for method in sorted(map(methods.get, methods.names()), key=wording.family_order)]


def describe(method: Method) -> dict[str, Any]:
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


def _fields(method: Method) -> list[dict[str, Any]]:
    """Every setting; a method with few shows them all at once."""
    found = [field(name, info) for name, info in method.Settings.model_fields.items()]
    own = [one for one in found if one["name"] != "seed"]
    if len(own) <= FEW:
        for one in own:
            one["essential"] = True
    return found


def field(name: str, info: FieldInfo) -> dict[str, Any]:
    """One setting as plain values: kind is bool, int, float, choice or text."""
    kind, choices = _kind(name, info)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
    return {
        "name": name,
        "title": wording.field_title(name),
        "help": info.description or "",
        "kind": kind,
        "choices": [{"value": value, "title": wording.choice_title(value)} for value in choices],
        "default": plain(info.default),
        "source": str(extra.get("source", "")),
        "essential": name in ESSENTIAL,
        **_limits(info.metadata),
    }


def plain(value: Any) -> Any:
    """A setting's value as JSON knows it."""
    return getattr(value, "value", value)


def _kind(name: str, info: FieldInfo) -> tuple[str, list[Any]]:
    annotation = info.annotation
    if name == "objective":
        return "choice", list(objectives.names())
    if name == "start":
        return "choice", list(starts.names())
    if typing.get_origin(annotation) is typing.Literal:
        return "choice", list(typing.get_args(annotation))
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        return "choice", [member.value for member in annotation]
    for kind, name_of_kind in ((bool, "bool"), (int, "int"), (float, "float")):
        if annotation is kind:
            return name_of_kind, []
    return "text", []


def _limits(metadata: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"min": None, "max": None, "above": None, "below": None}
    for limit in metadata:
        for ours, theirs in (("min", "ge"), ("max", "le"), ("above", "gt"), ("below", "lt")):
            if getattr(limit, theirs, None) is not None:
                found[ours] = getattr(limit, theirs)
    return found
