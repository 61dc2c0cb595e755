"""The methods as forms: every setting with its words, limits, choices, default and source, and values to start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core import methods, objectives
from core.learning import starts
from core.problem.method import Method
from core.step import Need
from dashboard import wording
from dashboard.pages.setup.shapes import Field, Form, Preset

ESSENTIAL = frozenset(
    {"adapt_on", "batch", "group", "keep", "lr", "objective", "scale", "steps", "fraction", "init", "rank"}
)
"""Settings that are shown at once; the others wait under "More options"."""
KINDS = {"boolean": "bool", "integer": "int", "number": "float"}
FEW = 4
"""Up to so many settings of a method are all shown at once, whatever their names."""
PAPER = {"keep_step": "last"}
"""What differs from the defaults: no images are kept apart, and no step is chosen."""
FAST = {"steps": 60, "batch": 8, "group": "block", "lr": 5e-3}
"""Fewer, larger steps over one λ per block; for a first look, not for the best accuracy."""
FEW_IMAGES = {"fraction": 0.1}
"""AdaMerging (ICLR 2024), table 5: a tenth of the images costs about one point of accuracy."""


def describe_all() -> list[Form]:
    """Every method of the registry, in the order of the menu."""
    return [describe(method) for method in sorted(map(methods.get, methods.names()), key=wording.family_order)]


def describe(method: Method) -> Form:
    """One method as plain values."""
    return {
        "name": method.name,
        "title": method.title,
        "family": wording.FAMILIES[wording.family(method)],
        "summary": wording.worded(method.summary, method),
        "paper": wording.worded(method.paper, method),
        "cost": wording.worded(method.cost, method),
        "trains": method.trains,
        "needs": wording.needs(method.needs.value, method.needs is Need.UNLABELLED),
        "fields": _fields(method),
    }


def _fields(method: Method) -> list[Field]:
    """Every setting; a method with few shows them all at once."""
    found = [field(name, known, method) for name, known in wording.schema(method.Settings).items()]
    own = [one for one in found if one["name"] != "seed"]
    if len(own) <= FEW:
        for one in own:
            one["essential"] = True
    return found


def field(name: str, known: Mapping[str, Any], method: Method) -> Field:
    """One setting, from its JSON schema."""
    choices = known.get("enum", ())
    if not choices and name in ("objective", "start"):
        choices = objectives.names() if name == "objective" else starts.names()
    return {
        "name": name,
        "title": known.get("label") or wording.field_title(name),
        "help": wording.worded(known.get("description", ""), method, name, choices),
        "kind": "choice" if choices else KINDS.get(known.get("type", ""), "text"),
        "choices": [{"value": value, "title": wording.choice_title(name, value)} for value in choices],
        "default": known["default"],
        "source": str(known.get("source", "")),
        "essential": name in ESSENTIAL,
        "min": known.get("minimum"),
        "max": known.get("maximum"),
        "above": known.get("exclusiveMinimum"),
        "below": known.get("exclusiveMaximum"),
    }


def presets(method: Method, suite_defaults: Mapping[str, Any]) -> list[Preset]:
    """The presets that make a difference for this method, the first being the one to begin with.

    `settings` of each holds a value for every setting of the method.
    """
    usual = method.Settings().model_dump(mode="json")
    paper = usual | {name: value for name, value in PAPER.items() if name in usual}
    own = {name: value for name, value in suite_defaults.items() if name in usual}
    start = usual | own
    published = _published(method)
    whose = "As published" if published else "Mergescope's defaults"
    found = []
    if own:
        found.append(_preset("suite", "This suite's settings", "Chosen for this suite; the rest are defaults.", start))
    elif paper != usual:
        found.append(
            _preset(
                "usual",
                "Usual settings",
                f"{whose}, but goes back to an earlier step if it was clearly better.",
                usual,
            )
        )
    title = "Paper settings" if published else "Fixed settings"
    found.append(_preset("paper", title, f"{whose}; every default cites its source.", paper))
    if "steps" in paper:
        # What trains a whole encoder takes its own small steps.
        fast = start | {n: value for n, value in FAST.items() if n in paper and (n != "lr" or method.role.competes)}
        fast["steps"] = min(int(fast["steps"]), int(start["steps"]))
        told = ["few, larger steps" if fast["lr"] != start["lr"] else "few steps"] if "lr" in fast else ["few steps"]
        told += ["one λ per block"] if "group" in fast else []
        found.append(_preset("fast", "Fast", f"A first look: {', '.join(told)}.", fast))
    if "fraction" in paper:
        few = start | FEW_IMAGES
        found.append(_preset("few", "Few samples", "Learns from a tenth of the images.", few))
    return found


def _published(method: Method) -> bool:
    """Whether method and defaults are a paper's."""
    sources = [
        str(known.get("source", "")) for name, known in wording.schema(method.Settings).items() if name != "seed"
    ]
    own = bool(sources) and all(source.startswith("Mergescope") for source in sources)
    return not own and not method.paper.startswith("Mergescope")


def _preset(name: str, title: str, help: str, settings: Mapping[str, Any]) -> Preset:
    return {"name": name, "title": title, "help": help, "settings": dict(settings)}
