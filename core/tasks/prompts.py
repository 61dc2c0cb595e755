"""Published class names and templates of known data sets, by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import yaml

from core.errors import UnknownName
from core.paths import ASSETS

FOLDER = ASSETS / "prompts"


@dataclass(frozen=True)
class PromptSet:
    """Class names in the order of the data set's labels, and templates with one {} each."""

    name: str
    title: str
    source: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]


def prompt_sets() -> tuple[str, ...]:
    """Names of the sets that come with Mergescope."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yaml")))


@cache
def prompt_set(name: str) -> PromptSet:
    """The set of that name; raises `UnknownName`."""
    folded = {each.replace("-", "_"): each for each in prompt_sets()}
    if name.lower().replace("-", "_") not in folded:
        raise UnknownName("set of prompts", name, prompt_sets())
    name = folded[name.lower().replace("-", "_")]
    data = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return PromptSet(
        name, data["title"], data["source"], tuple(map(str, data["classes"])), tuple(map(str, data["templates"]))
    )
