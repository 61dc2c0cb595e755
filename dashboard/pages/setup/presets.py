"""Starting points for the settings of a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.problem.method import Method
from dashboard.pages.setup.shapes import Preset

PAPER = {"keep_step": "last"}
"""What differs from the defaults: no images are kept apart, and no step is chosen."""
FAST = {"steps": 60, "batch": 8, "group": "block", "lr": 5e-3}
"""Fewer, larger steps over one λ per block; for a first look, not for the best accuracy."""
FEW = {"fraction": 0.1}
"""AdaMerging (ICLR 2024), table 5: a tenth of the images costs about one point of accuracy."""


def presets(method: Method, suite_defaults: Mapping[str, Any]) -> list[Preset]:
    """The presets that make a difference for this method, the first being the one to begin with.

    `settings` of each holds a value for every setting of the method.
    """
    usual = method.Settings().model_dump(mode="json")
    paper = usual | {name: value for name, value in PAPER.items() if name in usual}
    own = {name: value for name, value in suite_defaults.items() if name in usual}
    start = usual | own
    found = []
    if own:
        found.append(
            _preset("suite", "This suite's settings", "Chosen for this suite; everything else is the default.", start)
        )
    elif paper != usual:
        found.append(
            _preset(
                "usual",
                "Usual settings",
                "As published, but goes back to an earlier step if that was clearly better.",
                usual,
            )
        )
    found.append(_preset("paper", "Paper settings", "As published; every default cites its source.", paper))
    if "steps" in paper:
        # What trains a whole encoder takes its own small steps.
        fast = start | {n: value for n, value in FAST.items() if n in paper and (n != "lr" or method.role.competes)}
        fast["steps"] = min(int(fast["steps"]), int(start["steps"]))
        found.append(_preset("fast", "Fast", "A first look: few steps, one λ per block.", fast))
    if "fraction" in paper:
        few = start | FEW
        found.append(_preset("few", "Few samples", "Learns from a tenth of the images.", few))
    return found


def _preset(name: str, title: str, help: str, settings: Mapping[str, Any]) -> Preset:
    return {"name": name, "title": title, "help": help, "settings": dict(settings)}
