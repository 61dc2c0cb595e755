"""What came from a browser, checked; each raises `BadInput` with the name, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, PlainValidator, ValidationError

from core.errors import BadInput

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], given: Mapping[str, Any], context: Any = None) -> Model:
    """`given` as the fields of a model; `context` is for its validators."""
    try:
        return model.model_validate(given, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        expected = first["msg"].removeprefix("Input should be ")
        raise BadInput(f"`{first['loc'][0]}` should be {expected}. Found `{first['input']!r:.40}`.") from None


def text(value: object, name: str, longest: int = 100) -> str:
    """One line, without the space around it; it may be empty."""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise BadInput(f"`{name}` should be at most {longest} printable characters. Found `{value!r:.40}`.")
    return value.strip()


Line = Annotated[str, PlainValidator(lambda given, info: text(given, str(info.field_name)))]


def one_of(value: object, name: str, choices: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise BadInput(f"`{name}` should be one of {', '.join(choices)}. Found `{value!r:.40}`.")
    return value
