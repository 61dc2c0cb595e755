"""What `equal_samples` compares: rows from the registry, each with settings that draw the same number of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from core import methods, objectives
from core.problem.method import Form, Method, Need, Role
from core.settings import parse

SINGLE, PARTS, APART = (
    "one model, without labels",
    "parts of `best`",
    "several models, task modules, labels or a whole training",
)
BLOCKS = (SINGLE, PARTS, APART)
VARIED = {"adamerging": ("group", "objective"), "adamerging_pp": ("group",)}
"""Methods that stand in the table once for each value of these settings; all others once, with their defaults."""
ABLATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "best with its own rate": ("best", {"lr": 0.02}),
    "best without masks": ("best", {"masks": "off"}),
    "best without masks or rescaling": ("best", {"masks": "off", "start_scale": 1.0}),
    "best with masks": ("best", {"masks": "on"}),
    "best without its start": ("best", {"start": "none"}),
    "best from WUDI": ("best", {"start": "wudi"}),
    "best from Iso-CTS": ("best", {"start": "iso_cts"}),
    "best with entropy": ("best", {"objective": "entropy"}),
}
RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Entry:
    """One row of the table before it is measured."""

    title: str
    method: str
    block: str
    values: dict[str, Any] = field(default_factory=dict)
    seeded: bool = True
    """False for a formula, which gives the same for each seed."""

    @property
    def needs(self) -> Need:
        """What it has to be given with these settings."""
        method = methods.get(self.method)
        return method.needed(parse(method.Settings, self.values, self.method))

    @property
    def knob(self) -> str:
        """The setting that is chosen on held-out images: the learning rate, else the scale; empty where neither is."""
        fields = methods.get(self.method).Settings.model_fields
        return next((name for name in ("lr", "scale") if name in fields and name not in self.values), "")

    @property
    def choices(self) -> tuple[Sequence[float], int]:
        """Values of the knob from low to high, and where to begin."""
        default = methods.get(self.method).Settings.model_fields[self.knob].default
        if self.knob == "scale":
            return [round(default * factor, 6) for factor in FACTORS], FACTORS.index(1.0)
        # A short run needs a higher rate than the paper's long one.
        wanted = min(30 * default, 3e-2)
        return RATES, min(range(len(RATES)), key=lambda at: abs(RATES[at] / wanted - 1))


def entries(steps: int, batch: int) -> list[Entry]:
    """Every method of the registry and the variants named above."""
    return [*_registered(steps, batch), *_ablations(steps, batch)]


def _registered(steps: int, batch: int) -> Iterator[Entry]:
    for name in methods.names():
        method = methods.get(name)
        single = method.form is Form.ONE and method.needs in (Need.NOTHING, Need.UNLABELLED)
        single = single and method.role is not Role.YARDSTICK
        values = budget(method, steps, batch)
        for own in _variants(name):
            title = method.title + "".join(f", {key}={value}" for key, value in own.items())
            seeded = method.needs is not Need.NOTHING or getattr(method, "random", False)
            yield Entry(title, name, SINGLE if single else APART, values | own, seeded)


def _ablations(steps: int, batch: int) -> Iterator[Entry]:
    for title, (name, own) in ABLATIONS.items():
        if name in methods.names():
            yield Entry(title, name, PARTS, budget(methods.get(name), steps, batch) | own)


def _variants(name: str) -> Iterator[dict[str, Any]]:
    label_free = [one for one in objectives.names() if objectives.get(one).needs is Need.UNLABELLED]
    values = {"group": ["task", "tensor"], "objective": label_free}
    keys = VARIED.get(name, ())
    for combination in product(*(values[key] for key in keys)):
        yield dict(zip(keys, combination, strict=True))


def budget(method: Method, steps: int, batch: int) -> dict[str, Any]:
    """Settings with which the method draws `steps · batch` images of each task, whatever it does with them.

    Learners take `steps` batches, closed forms look at all images at once, hard FW-Merging shares them out among its
    steps, and soft FW-Merging chooses twice with an eighth each and learns with the rest. With one expert a task,
    a soup has nothing to choose.
    """
    known, total = method.Settings.model_fields, steps * batch
    values: dict[str, Any] = {}
    if {"rounds", "samples", "steps", "batch"} <= set(known):
        values = {"rounds": 2, "samples": total // 8, "steps": (total - 2 * (total // 8)) // batch, "batch": batch}
    elif {"steps", "samples"} <= set(known):
        moves = max(count for count in range(1, known["steps"].default + 1) if total % count == 0)
        values = {"steps": moves, "samples": total // moves}
    elif {"steps", "batch"} <= set(known):
        values = {"steps": steps, "batch": batch}
    elif "recipe" in known:
        return {"recipe": "uniform"}
    elif "samples" in known:
        values = {"samples": total}
    if "adapt_on" in known:
        values["adapt_on"] = "train" if method.needs is Need.TRAINING else "held-out"
    return values
