"""Plain words for what the engine calls by short names. Pure functions, no Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core import objectives

if TYPE_CHECKING:
    from core.problem.method import Method

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
    "above": "Drop entries above the share",
    "adapt_on": "Images to learn from",
    "answers": "Answers whose gradients count",
    "batch": "Images per task and step",
    "begin_with": "Model to begin with",
    "below": "Drop entries below the share",
    "clamp": "Keep λ between 0 and 1",
    "common": "Share of common directions",
    "diagonal": "Weight of off-diagonal moments",
    "drop": "Dropped share of each task vector",
    "floor": "Least Fisher information",
    "group": "One λ per …",
    "groups": "Models to make",
    "init": "λ at the start",
    "iterations": "Steps for each matrix",
    "keep": "Kept share of each task vector",
    "keep_step": "Step whose model is kept",
    "later_init": "λ at the start of later rounds",
    "lines": "Extra scale of the last block (LiNeS)",
    "lr": "Learning rate",
    "merge_with": "Merge the rest with",
    "mix": "Share of the expert's input",
    "objective": "What is minimised",
    "once": "Each image once, as a stream",
    "others": "All other tensors take",
    "patience": "Steps without gain before it stops",
    "per": "Choose an expert for each …",
    "qkv": "Query, key and value",
    "rescale": "Scale up what is left",
    "ridge": "Pull towards the merged model",
    "scale": "Scale λ of every task vector",
    "score": "Compare experts with the slope by",
    "select_by": "Loss that chooses experts",
    "seed": "Random seed",
    "share": "Threshold of the masks",
    "start": "Model to start from",
    "samples": "Images per task",
    "step_size": "Step length",
    "together": "Solve at once for a …",
    "trunk": "Blocks that all groups share",
    "votes": "Tasks that have to use an entry",
    "within": "Merge a group with",
}
CHOICES = {
    "task": "task (one per expert)",
    "block": "block (one per expert and transformer block)",
    "tensor": "tensor (one per expert and parameter tensor; the paper's “layer-wise”)",
    "entropy": "entropy of the predictions",
    "expert_kl": "distance to the expert's predictions",
    "cross_entropy": "cross entropy with the labels",
    "entropy_selected": "entropy of the surer images",
    "information_maximisation": "entropy, with all classes kept in use",
    "pseudo_label": "cross entropy with the expert's answers",
    "best": "the last, unless an earlier one is clearly better",
    "last": "the last, as in the paper",
    "none": "none: λ times the task vectors",
    "fused": "one matrix, as in open_clip",
    "split": "three matrices, as in Hugging Face's checkpoints",
    "task_arithmetic": "Task Arithmetic",
    "ties": "TIES-Merging",
    "tsv_m": "TSV-Merge",
    "iso_c": "Iso-C",
    "pretrained": "the base",
    "model": "whole model",
    "inner_product": "inner product of all weights (the paper's)",
    "cosine": "one cosine for each parameter tensor (the released code's)",
    "sampled": "one drawn from the predictions",
    "all": "all, by their probability",
    "labels": "the labels",
    "base": "the base",
    "average": "the mean of the experts",
}
FAMILIES = {
    "nothing": "Only the checkpoints",
    "unlabelled": "Unlabelled images",
    "labelled": "Labelled images",
    "modules": "Extra parts per task",
    "yardsticks": "Yardsticks",
}
"""Headings of the method menu, in their order, by what a method has to be given and what it makes."""
FIRST = ("adamerging", "adamerging_pp", "task_arithmetic", "average", "ties")
"""Methods that come first under their heading; the others follow by title."""


def field_title(name: str) -> str:
    """A setting's name in plain words."""
    return FIELDS.get(name, name.replace("_", " ").capitalize())


def choice_title(value: Any) -> str:
    """One choice of a setting in plain words."""
    known = objectives.get(value).title if value in objectives.names() else str(value).replace("_", " ")
    return CHOICES.get(str(value), known)


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
        "nothing": "Needs nothing but the checkpoints.",
        "unlabelled images": "Needs unlabelled images of every task.",
        "labelled images": "Needs labelled images of every task.",
        "labelled training images": "Needs the labelled training images of every task.",
    }
    return words.get(need, f"Needs {need}.") + (" Labels are never read while it learns." if adapts else "")
