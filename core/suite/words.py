"""Class names and templates as a suite file may give them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from core.tasks.sources.parts import Entry
from core.tasks.templates import MOST, template

_LIST, _MAPPING, _FILE, _CLASSES = TAGS = ("<list>", "<mapping>", "<file>", "<classes>")
"""What pydantic puts into the place of an error to say which of several forms was tried."""
MOST_CLASSES = 100_000


class PromptsEntry(Entry):
    """Published class names and templates, by the name of their data set."""

    set: str


class TemplatesFile(Entry):
    """Templates or prompts per class in a file of their own."""

    file: str


def _shape(value: Any) -> str:
    return _MAPPING if isinstance(value, dict | Entry) else _LIST


def _templates_shape(value: Any) -> str:
    if isinstance(value, dict) and value and all(isinstance(own, list | tuple) for own in value.values()):
        return _CLASSES
    if isinstance(value, TemplatesFile) or (isinstance(value, dict) and set(value) == {"file"}):
        return _FILE
    return _shape(value)


Classes = Annotated[
    Annotated[tuple[str, ...], Field(min_length=2, max_length=MOST_CLASSES), Tag(_LIST)]
    | Annotated[dict[str, str], Field(min_length=2, max_length=MOST_CLASSES), Tag(_MAPPING)],
    Discriminator(_shape),
]
"""A list, or a mapping from class folders or labels to class names."""
Template = Annotated[str, AfterValidator(template)]
Texts = Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST)]
Templates = Annotated[
    Annotated[tuple[Template, ...], Field(min_length=1, max_length=MOST), Tag(_LIST)]
    | Annotated[PromptsEntry, Tag(_MAPPING)]
    | Annotated[TemplatesFile, Tag(_FILE)]
    | Annotated[dict[str, Texts], Field(max_length=MOST_CLASSES), Tag(_CLASSES)],
    Discriminator(_templates_shape),
]
"""A list, a published set, a file, or a mapping from classes to the texts of each."""
