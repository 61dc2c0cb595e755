"""Plain words for what the engine calls by short names. Pure functions, no Gradio."""

from __future__ import annotations

from typing import Any

STATUS = {
    "queued": "waiting",
    "running": "running",
    "paused": "paused",
    "done": "done",
    "cancelled": "cancelled",
    "failed": "failed",
    "interrupted": "interrupted",
}
ACTIVE = frozenset({"queued", "running", "paused"})
RESUMABLE = frozenset({"interrupted", "cancelled", "failed"})

SPLITS = {
    "test": "the test images, without labels (as in the paper; the same images are scored afterwards)",
    "held-out": "held-out images, so that no scored image was seen",
}
FIELDS = {
    "adapt_on": "Images to learn from",
    "batch": "Images per task and step",
    "batch_size": "Images per task and step",
    "clamp": "Keep λ between 0 and 1",
    "density": "Kept share of each task vector",
    "group": "One λ per …",
    "init": "λ at the start",
    "initial": "λ at the start",
    "lr": "Learning rate",
    "objective": "What is minimised",
    "scale": "Scale λ of every task vector",
    "scaling": "Scale λ of every task vector",
    "seed": "Random seed",
    "steps": "Steps",
    "samples": "Images per task",
}
CHOICES = {
    "task": "task (one per expert)",
    "block": "block (one per expert and transformer block)",
    "tensor": "tensor (one per expert and parameter tensor; the paper's “layer-wise”)",
    "entropy": "entropy of the predictions",
    "expert_kl": "distance to the expert's predictions",
    "cross_entropy": "cross entropy with the labels",
}
FAMILIES = (
    ("Learn λ from unlabelled images", ("adamerging", "adamerging_pp", "samerging", "adarank", "fw_soft", "fw_hard")),
    (
        "Formula, no data",
        (
            "task_arithmetic",
            "average",
            "ties",
            "dare",
            "breadcrumbs",
            "consensus",
            "pcb",
            "model_stock",
            "tsv_m",
            "iso_c",
            "iso_cts",
            "wudi",
        ),
    ),
    ("Statistics of the images", ("fisher", "regmean", "regmean_pp", "featcal")),
    ("Yardsticks", ("pretrained", "individual", "multi_task")),
    ("Extra parts per task", ("surgery", "wemoe")),
)
"""Order and headings of the method menu; a method that no family names comes last, under "More"."""


def field_title(name: str) -> str:
    """A setting's name in plain words."""
    return FIELDS.get(name, name.replace("_", " ").capitalize())


def choice_title(value: Any) -> str:
    """One choice of a setting in plain words."""
    return CHOICES.get(str(value), str(value).replace("_", " "))


def family(method: str) -> str:
    """The heading of the method menu that a method stands under."""
    return next((title for title, names in FAMILIES if method in names), "More")


def family_order(method: str) -> tuple[int, int, str]:
    """Sort key of the method menu."""
    for place, (_title, names) in enumerate(FAMILIES):
        if method in names:
            return place, names.index(method), method
    return len(FAMILIES), 0, method


def needs(need: str, adapts: bool) -> str:
    """What a method has to be given, in plain words."""
    words = {
        "nothing": "Needs nothing but the checkpoints.",
        "unlabelled images": "Needs unlabelled images of every task.",
        "labelled images": "Needs labelled images of every task.",
        "labelled training images": "Needs the labelled training images of every task.",
    }
    return words.get(need, f"Needs {need}.") + (" Labels are never read while it learns." if adapts else "")


def run_title(name: str, method_title: str) -> str:
    """What a run is called: the name that the owner gave it, else its method."""
    return name or method_title
