"""What a suite file may say."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from core.errors import BadInput
from core.hub.listing import HubReference, is_hub
from core.suite.words import Classes, PromptsEntry, Templates
from core.tasks.sources import DataEntry
from core.tasks.sources.parts import Entry
from core.tasks.task import IN_EXPERT

MAX_TASKS = 64


def _plain_name(value: str) -> str:
    # Task and suite names become file names, table headings and HTML: letters that mean nothing to any of them.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", value):
        raise ValueError("1 to 64 letters, digits, `_`, `-` or `.`, beginning with a letter or digit")
    return value


def _no_role(value: str) -> str:
    if value == "base":
        raise ValueError("a name other than `base`, which means the base model")
    return value


def _weights(value: str) -> str:
    if is_hub(value):
        try:
            HubReference.parse(value)
        except BadInput as error:
            raise ValueError(str(error)) from None
    return value


Name = Annotated[str, AfterValidator(_plain_name)]
Weights = Annotated[str, AfterValidator(_weights)]
"""A path, `hub:owner/name@revision`, or `open_clip:MODEL/TAG`."""
TaskName = Annotated[Name, AfterValidator(_no_role)]


class PreprocessEntry(Entry):
    """What the base's images have to go through, where it is not what its architecture usually takes."""

    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    interpolation: Literal["bicubic", "bilinear"] | None = None
    resize_mode: Literal["shortest", "squash"] | None = None


class WeightsEntry(Entry):
    """A file or folder of weights, and which of several models in it is meant."""

    weights: Weights
    key: str | None = None
    """The entry of the dictionary in the file, such as `model_ema`."""
    prefix: str | None = None
    """What the names of its tensors begin with, such as `teacher.`; `.` where they begin with nothing."""

    @property
    def inside(self) -> str | None:
        """Both as what names begin with; None where nothing was chosen."""
        if self.key is None and self.prefix is None:
            return None
        entry = f"{self.key.removesuffix('.')}." if self.key else ""
        return entry + (self.prefix or "").removeprefix(".")


class BaseEntry(WeightsEntry):
    """The base model: an open_clip architecture (or a .json configuration) and its weights."""

    arch: str
    preprocess: PreprocessEntry = PreprocessEntry()
    tokenizer: str | None = None
    """A folder with the tokenizer of an architecture that does not use CLIP's own."""


class ExpertEntry(WeightsEntry):
    """The fine-tuned weights of one task."""

    cast: bool = False
    """Accept another element type than the base's and convert it."""
    accuracy: float | None = Field(default=None, ge=0, le=1)
    """Its accuracy on this task as known from elsewhere, a published one, say: where test images have no labels, what
    the merged model's has to be follows from it and from how far the two agree."""
    accuracy_images: int | None = Field(default=None, ge=1)
    """On how many images that was measured."""

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.accuracy is None and self.accuracy_images is not None:
            raise ValueError("given `accuracy` as well if it has `accuracy_images`")
        return self


class HeadEntry(Entry):
    """A trained head in a file that has several."""

    weights: Weights
    key: str
    """The name of its layer, such as `classifier`."""


class TaskEntry(Entry):
    """One task: images, class names, templates and, unless it is an unseen task, an expert.

    Class names are a list, or a mapping from class folders; without any, those of the published set or of the images.
    """

    name: TaskName
    title: str = ""
    expert: ExpertEntry | None = None
    data: DataEntry
    head: str | HeadEntry | None = None
    """A ready head `[classes, width]`, as `head_<Task>.pt` of the AdaMerging authors, perhaps with a bias; `own`: made
    from the texts by the text tower in the expert's file; `trained`: the layer in it that was trained with the expert,
    as it also is without `templates`; else made from the texts by the base's text tower."""
    classes: Classes | None = None
    classes_file: str | None = None
    templates: Templates | None = None
    """Needed where a text tower makes the head."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.classes is not None and self.classes_file is not None:
            raise ValueError("given `classes` or `classes_file`, not both")
        known = self.classes is not None or self.classes_file is not None or isinstance(self.templates, PromptsEntry)
        if not known and self.data.kind == "arrays":
            raise ValueError("given `classes`, `classes_file` or `templates: {set: …}`: arrays have no class names")
        if self.head in IN_EXPERT and self.expert is None:
            raise ValueError(f"given an `expert`, in whose file the head is if it is `{self.head}`")
        if self.head is None and self.templates is None and self.expert is None:
            raise ValueError("given `templates`, a `head`, or an `expert` with a head of its own")
        return self


class SuiteEntry(Entry):
    """One base, its experts and their tasks."""

    name: Name
    title: str = ""
    description: str = ""
    base: BaseEntry
    tasks: tuple[TaskEntry, ...] = Field(min_length=1, max_length=MAX_TASKS)
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Method -> settings that suit this suite; they replace the method's own defaults."""
