"""Frozen, validated settings. Every default cites its source in the field's `source`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import BadInput, UnknownName

S = TypeVar("S", bound="Settings")
LIMITS = ("gt", "ge", "lt", "le")


def setting(default: Any, description: str, *, source: str, label: str = "", before: Any = None, **limits: Any) -> Any:
    """A pydantic field with a plain-words description and the source of its default.

    `label` is how a form names it, where the words for its name mean something else. `before` is what runs did before
    the setting was there, where that is not the default.
    """
    more: dict[str, Any] = {"source": source} | ({"label": label} if label else {})
    more |= {} if before is None else {"before": before}
    return Field(default, description=description, json_schema_extra=more, **limits)


class Settings(BaseModel):
    """Base of all settings: immutable, unknown names refused, text such as "1e-3" converted.

    Raises `TypeError` for a class with two settings of one name, as a method and an objective may have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name in cls.model_fields:
            *others, base = (one for one in cls.__mro__ if name in inspect.get_annotations(one))
            for other in others:
                if not _extra(other, name).get("again"):
                    raise TypeError(
                        f"Setting names should be unique. Found `{name}` in `{other.__name__}` ({other.__module__}) "
                        f"and in `{base.__name__}` ({base.__module__}); rename one, or use `other_default` if the two "
                        "are the same setting."
                    )


def other_default(
    base: type[Settings], name: str, default: Any, description: str = "", *, source: str, **more: Any
) -> Any:
    """The setting `name` of a base class with another default; its limits stay, and its words unless some are given."""
    known = base.model_fields[name]
    limits = {kind: getattr(one, kind) for one in known.metadata for kind in LIMITS if hasattr(one, kind)}
    field = setting(default, description or str(known.description), source=source, **(limits | more))
    field.json_schema_extra["again"] = True
    return field


class MethodSettings(Settings):
    """Settings that every merging method has."""

    seed: int = setting(0, "Seed for every random choice the method makes.", source="Mergescope", ge=0, lt=2**31)


def parse(settings: type[S], values: dict[str, Any], subject: str) -> S:
    """Build `settings` from raw values; `subject` names the method or object in the error.

    Raises `UnknownName` for a name that is no setting, `BadInput` for a value that does not fit.
    """
    for name in values:
        if name not in settings.model_fields:
            raise UnknownName(f"setting of {subject}", name, sorted(settings.model_fields))
    try:
        return settings(**values)
    except ValidationError as error:
        raise BadInput(_explain(settings, error, subject)) from None


def parse_stored(settings: type[S], values: Mapping[str, Any], subject: str) -> S:
    """`parse` for the settings that a run or a study has on record, all there were when it began."""
    extras = {name: _extra(settings, name) for name in settings.model_fields}
    before = {name: extra["before"] for name, extra in extras.items() if "before" in extra}
    return parse(settings, before | dict(values), subject)


def _extra(settings: type[Settings], name: str) -> Mapping[str, Any]:
    extra = settings.model_fields[name].json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _explain(settings: type[Settings], error: ValidationError, subject: str) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    described = settings.model_fields[name].description if name in settings.model_fields else ""
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"`{name}` of {subject} should be {expected}. Found `{name} = {first['input']!r}`. ({described})"
