"""What the page Playground is answered."""

from __future__ import annotations

from typing import final

from typing_extensions import TypedDict

from dashboard.charts.figure import Widths


class Task(TypedDict):
    """A task to choose, and whether it has an expert."""

    name: str
    title: str
    expert: bool


class Sample(TypedDict):
    """A test image; `picture` is a data URI, `label` empty where there are none."""

    index: int
    picture: str
    label: str


class Samples(TypedDict):
    """Test images of one of the run's tasks."""

    samples: list[Sample]
    task: str
    tasks: list[Task]


class Shown(TypedDict):
    """A class with the probability that a model gives it."""

    label: str
    share: float
    true: bool


class Said(TypedDict):
    """The most probable classes of a picture by head and model, after step `step`; `truth` belongs to `task`."""

    picture: str
    task: str | None
    truth: str | None
    step: int
    models: list[str]
    said: dict[str, dict[str, list[Shown]]]


class Mistake(Sample):
    """A test image with the class that the merged model names, and how sure it is."""

    said: str
    share: float


class Confusion(TypedDict):
    """How a task's test images were classified; counts are of images."""

    step: int
    classes: int
    images: int
    correct: int
    expert_correct: int | None
    only_expert: int
    mistakes: list[Mistake]
    figures: Widths


@final
class Unlabelled(TypedDict):
    """Images without labels: nothing can be counted."""

    classes: int
    images: int
    unlabelled: bool
