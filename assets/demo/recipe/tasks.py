"""The eight tasks: names, classes and prompts of the suite file, and where their pictures come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SUITE_FILE = Path(__file__).resolve().parents[2] / "suites/demo.yaml"


@dataclass(frozen=True)
class Task:
    """One task of the suite.

    `share` is how much of its training pictures the base model may see, captioned, among its pre-training pictures: a
    web-scale CLIP has met some of everything too. It is kept small so that the base stays clearly below the experts.
    `salt` orders the typeface groups before they are divided, and was chosen by the counts of families alone.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    share: float
    characters: str = ""
    salt: str = ""
    look: str = ""
    regions: dict[str, tuple[tuple[int, int, int, int], ...]] = field(default_factory=dict)
    codes: tuple[str, ...] = ()

    def caption(self, label: int, turn: int) -> str:
        """The prompt of a class, taking the templates in turn."""
        return self.templates[turn % len(self.templates)].format(self.classes[label])


# In the order of the suite file's classes.
FLAGS = (
    *("fr", "de", "it", "gb", "us", "ca", "br", "jp", "cn", "kr"),
    *("in", "au", "za", "tr", "gr", "se", "ch", "il", "vn", "jm"),
)
PRODUCE = (
    *("banana", "watermelon", "strawberry", "pineapple", "cherries"),
    *("carrot", "ear-of-corn", "mushroom", "avocado", "pear"),
)
# South, north, west, east in degrees.
REGIONS = {
    "the Sahara desert": ((17, 31, -12, 32),),
    "tropical rainforest": ((-11, 3, -73, -50), (-6, 5, 10, 30)),
    "boreal forest": ((56, 66, 65, 125), (50, 60, -120, -80)),
    "polar ice": ((64, 82, -55, -22), (-80, -65, -70, 165)),
    "the Australian outback": ((-32, -19, 117, 145),),
    "the Tibetan plateau": ((28, 38, 74, 100),),
    "European farmland": ((43, 55, -1, 38),),
    "tropical islands": ((-10, 8, 95, 150), (5, 19, 117, 127), (17, 26, -84, -68)),
}

# No classes: European farmland, boreal forest and tropical islands, whose held-out pictures were taken for one another;
# grapes and eggplants left `PRODUCE` for the same reason.

# In the order in which their pictures are collected.
_OWN: dict[str, dict[str, Any]] = {
    "digits": {"share": 0.05, "characters": "0123456789", "look": "enamel", "salt": "letters a"},
    "letters": {"share": 0.05, "characters": "ABEGHKMQRS", "look": "poster", "salt": "letters a"},
    "greek": {"share": 0.05, "characters": "ΓΔΘΛΞΠΣΦΨΩ", "look": "chalkboard", "salt": "greek h"},
    "hiragana": {"share": 0.05, "characters": "あかきさすのまもよる", "look": "paper", "salt": "hiragana f"},
    "arabic": {"share": 0.05, "characters": "طجسصعكلموه", "look": "mosaic", "salt": "arabic b"},
    "flags": {"share": 0.03, "codes": FLAGS},
    "satellite": {"share": 0.02, "regions": REGIONS},
    "produce": {"share": 0.03, "codes": PRODUCE},
}
_SUITE = {entry["name"]: entry for entry in yaml.safe_load(SUITE_FILE.read_text("utf-8"))["tasks"]}
TASKS = tuple(
    Task(name, tuple(_SUITE[name]["classes"]), tuple(_SUITE[name]["templates"]), **own) for name, own in _OWN.items()
)
BY_NAME = {task.name: task for task in TASKS}
