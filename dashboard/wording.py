"""Plain words for what the engine calls by short names. Pure functions, no Gradio."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from core import methods, objectives

if TYPE_CHECKING:
    from core.problem.method import Method
    from core.settings import MethodSettings

STATUS = {"queued": "waiting"}
"""What a status is called; all others by their own names."""
RESUMABLE = frozenset({"interrupted", "cancelled", "failed"})
WORRY = {"not worse": "good", "below base": "error"}
"""How a run's verdict is coloured, by its code (`core.runs.verdict.Code`); all others are warnings."""


def worry(verdict: Mapping[str, Any]) -> str:
    """How a report's verdict is coloured; not at all where it is no worse than the base and no better."""
    found = WORRY.get(verdict["code"], "warning")
    return found if found != "good" or verdict.get("gain", True) else ""


FIELDS = {
    "above": "Drop entries above this share",
    "adapt_on": "Images to learn from",
    "aggregate": "Combine agreeing entries into",
    "alpha": "GradNorm strength (α)",
    "answers": "Answers whose gradients to take",
    "auto_scale": "Find the scale without labels",
    "balance": "How to combine the tasks' gradients",
    "batch": "Images per task and step",
    "begin_with": "Model to start from",
    "below": "Drop entries below this share",
    "centred": "Weight of the distances from the mean (λ)",
    "chosen_by": "Choose experts by",
    "clamp": "Keep λ between 0 and 1",
    "common": "Share of common directions",
    "components": "Singular components to use",
    "density": "Share of entries to keep",
    "diagonal": "Weight of off-diagonal moments",
    "diversity": "Weight of the second term",
    "drop": "Share of each task vector to drop",
    "floor": "Minimum Fisher information",
    "energy_power": "Exponent of a direction's energy",
    "fraction": "Share of images to use",
    "group": "One λ per …",
    "groups": "Number of models",
    "init": "λ at the start",
    "iterations": "Steps per matrix",
    "keep": "Share of each task vector to keep",
    "keep_every": "Save state every … steps",
    "keep_step": "Which step to keep",
    "kept": "Share of components on at the start",
    "later_init": "λ at the start of later rounds",
    "lines": "Extra scale of the last block (LiNeS)",
    "lr": "Learning rate",
    "masks": "Learn which components to use",
    "merge_with": "Merge the rest with",
    "mix": "Share of the expert's input",
    "normalise": "Normalise Fisher information",
    "objective": "What to minimise",
    "once": "Use each image once, as in a stream",
    "others": "All other tensors come from",
    "patience": "Stop after … steps without gain",
    "per": "Choose an expert for each …",
    "polarise": "Exponent of relative lengths",
    "qkv": "Query, key and value as",
    "rank_share": "Share of singular components to keep",
    "recipe": "Experts to average",
    "rescale": "Scale up what is left",
    "rho": "How far to look around λ (ρ)",
    "ridge": "Pull towards the merged model",
    "samples": "Images per task",
    "scale": "Scale of the merged task vector",
    "score": "Compare experts with the gradient by",
    "seed": "Random seed",
    "select_by": "Loss that chooses experts",
    "share": "Threshold of the masks",
    "smooth": "Smooth singular values to this ratio",
    "start": "Model to start from",
    "start_scale": "Scale of the start",
    "step_size": "Step length",
    "svc": "Weaken shared directions (SVC, α)",
    "together": "Solve together for each …",
    "trunk": "Blocks that all groups share",
    "votes": "Tasks that must use an entry",
    "warmup": "Share of steps to warm up",
    "weight_lr": "Learning rate of the task weights",
    "within": "Merge a group with",
}
CHOICES = {
    "task": "task",
    "block": "task and block",
    "tensor": "task and tensor (layer-wise)",
    "best": "the last, or a clearly better one",
    "last": "always the last, as in the paper",
    "none": "no other method",
    "fused": "one matrix, as in open_clip",
    "split": "three matrices, as in Hugging Face's checkpoints",
    "pretrained": "the base",
    "model": "whole model",
    "inner_product": "inner product of all weights (as in the paper)",
    "cosine": "one cosine per parameter tensor (as in the released code)",
    "sampled": "one sampled from the predictions",
    "all": "all, weighted by probability",
    "labels": "the labels",
    "base": "the base",
    "average": "the mean of the experts",
}
OWN_CHOICES = {
    "chosen_by": {"labels": "accuracy", "agreement": "agreement with all of them"},
    "recipe": {"greedy": "those that help", "uniform": "all of a task"},
    "balance": {"none": "their sum", "pcgrad": "PCGrad", "gradnorm": "GradNorm"},
    "adapt_on": {"test": "test images", "held-out": "held-out images", "train": "training images"},
    "components": {"own": "each task vector's own", "orthogonal": "those of TSV-Merge"},
    "masks": {"on": "yes", "off": "no, learn λ alone", "auto": "if there are enough images"},
    "aggregate": {"sum": "their sum", "mean": "the mean of the non-zero ones", "max": "the largest"},
    "per": {"layer": "parameter tensor"},
    "together": {"layer": "layer", "whole_block": "block"},
}
"""Setting -> words for its choices, where a choice means something else there than in other settings, or little."""
FAMILIES = {
    "nothing": "Checkpoints only",
    "unlabelled": "Unlabelled images",
    "labelled": "Labelled images",
    "modules": "Extra modules per task",
    "yardsticks": "For comparison",
}
"""Headings of the method menu, in their order, by what a method has to be given and what it makes."""
_NAMED = re.compile(r"`(?:--set )?(?P<name>[a-z]\w*)(?:=(?P<value>[\w.-]+))?`")
FIRST = ("adamerging", "adamerging_pp", "task_arithmetic", "average", "ties")
"""Methods that come first under their heading; the others follow by title."""


def field_title(name: str) -> str:
    """A setting's name in plain words."""
    return FIELDS.get(name, name.replace("_", " ").capitalize())


def choice_title(setting: str, value: Any) -> str:
    """One choice of a setting in plain words."""
    name = str(value)
    if found := OWN_CHOICES.get(setting, {}).get(name):
        return found
    if name in CHOICES:
        return CHOICES[name]
    if name in objectives.names():
        return objectives.get(name).title
    return methods.get(name).title if name in methods.names() else name.replace("_", " ")


@cache
def schema(settings: type[MethodSettings]) -> dict[str, dict[str, Any]]:
    """Setting -> its JSON schema, with `label`, `source` and so on."""
    found: dict[str, dict[str, Any]] = settings.model_json_schema()["properties"]
    return found


def worded(text: str, method: Method | None = None, setting: str = "", choices: Sequence[Any] = ()) -> str:
    """A text of the engine as the page shows it: names in `…` become the labels of settings and choices, or titles.

    The text may be about one `setting`, which has these `choices`. What else stands in `…` stays as it is.
    """
    properties = schema(method.Settings) if method is not None else {}

    def said(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        if value is None and name in choices:
            return f"“{choice_title(setting, name)}”"
        if name in properties or (name in FIELDS and value is not None):
            label = properties.get(name, {}).get("label") or field_title(name)
            return f"“{label}”" if value is None else f"“{label}: {choice_title(name, value)}”"
        if value is None and (name in objectives.names() or name in methods.names()):
            return f"“{choice_title(setting, name)}”"
        return found[0]

    return _NAMED.sub(said, text)


def family(method: Method) -> str:
    """The key in `FAMILIES` of the heading that a method stands under."""
    if not method.role.competes:
        return "yardsticks"
    if not method.single:
        return "modules"
    return {"nothing": "nothing", "unlabelled images": "unlabelled"}.get(method.needs.value, "labelled")


def family_order(method: Method) -> tuple[int, int, str]:
    """Sort key of the method menu."""
    first = FIRST.index(method.name) if method.name in FIRST else len(FIRST)
    return list(FAMILIES).index(family(method)), first, method.title.lower()


def needs(need: str, adapts: bool) -> str:
    """What a method has to be given, in plain words."""
    words = {
        "nothing": "Only the checkpoints.",
        "unlabelled images": "Unlabelled images of every task.",
        "labelled images": "Labelled images of every task.",
        "labelled training images": "Labelled training images of every task.",
    }
    return words.get(need, f"{need.capitalize()}.") + (" Labels are never read while it learns." if adapts else "")
