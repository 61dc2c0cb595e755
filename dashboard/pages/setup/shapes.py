"""What "Set up" is told, by what tells it."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from dashboard.settings_file import Settings

Value = bool | int | float | str | None


class Choice(TypedDict):
    """One of the values that a setting may have."""

    value: str
    title: str


class Field(TypedDict):
    """One setting; `kind` is bool, int, float, choice or text, and `above` and `below` are limits not to be reached."""

    name: str
    title: str
    help: str
    kind: str
    choices: list[Choice]
    default: Value
    source: str
    essential: bool
    min: float | None
    max: float | None
    above: float | None
    below: float | None


class Form(TypedDict):
    """One method (`catalogue`)."""

    name: str
    title: str
    family: str
    summary: str
    paper: str
    cost: str
    trains: str
    needs: str
    fields: list[Field]


class Card(TypedDict, total=False):
    """One task (`gallery`): images by split, a strip of them as data URI, and why they can't be read."""

    name: str
    title: str
    classes: list[str]
    class_count: int
    expert: bool
    images: dict[str, int]
    labelled: bool
    held_out: str
    strip: str
    problem: str


class Preset(TypedDict):
    """A value for every setting of a method (`catalogue`)."""

    name: str
    title: str
    help: str
    settings: dict[str, Any]


class Expected(TypedDict):
    """How long a run takes (`forecast`)."""

    seconds: float
    text: str


class Likeness(TypedDict):
    """Of model and expert on the images of a task."""

    kl: float | None
    agreement: float | None


class Checked(TypedDict):
    """Whether a task is trusted, what to do, and how the shortened run begins and ends."""

    task: str
    trusted: bool
    advice: str
    start: Likeness
    end: Likeness


class Caution(TypedDict):
    """What the check before Start says (`caution`); `overall` is a warning of the whole merge or nothing, and `distil`
    whether the objective could be KL to the experts and is not."""

    tasks: list[Checked]
    overall: str
    distil: bool


class Found(TypedDict):
    """What is doubtful (`caution`): each finding as `Finding.plain` gives it."""

    found: list[dict[str, Any]]


class Asked(Settings):
    """What a form and a settings file hold."""

    device: str
    precision: str
    on: str
