"""A model card: what was merged, how well it does, how it was made, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from core import methods
from core.encoders.models import OPEN_CLIP, Architecture
from core.export.render import Grid, for_markdown, markdown
from core.export.tables import confusions, doubts, measures, results, settings
from core.export.titles import method_title
from core.store import RunRecord

_LOADING = """
```python
import open_clip
from safetensors.torch import load_file

model, _, preprocess = open_clip.create_model_and_transforms({arch!r})
found = load_file("merged.safetensors")
model.load_state_dict(found) if "logit_scale" in found else model.visual.load_state_dict(
    {{name.removeprefix("visual."): tensor for name, tensor in found.items()}}
)
```
"""

ZERO_SHOT, CLASSIFICATION = "zero-shot-image-classification", "image-classification"
"""What a model is for, as the hub calls it."""


@dataclass(frozen=True)
class Loading:
    """How the model is loaded."""

    library: str
    """As the hub calls it."""
    text: str
    """Markdown."""
    purpose: str = CLASSIFICATION
    by: str = "the lines in its README.md"


def model_card(
    record: RunRecord,
    titles: Mapping[str, str] | None = None,
    *,
    loading: Loading | None = None,
    name: str = "",
    picture: str = "",
) -> str:
    """The card as Markdown with front matter.

    `loading` is how the model beside it is loaded; `picture` is the name of a picture of λ beside it.
    """
    title = name or f"{record.suite} merged with {method_title(record)}"
    loading = loading or loading_of(None)
    tags = ["model-merging", "task-vectors", "mergescope", "hand-edited" if record.what_if else record.method]
    front = {"library_name": loading.library, "pipeline_tag": loading.purpose, "tags": tags}
    method = methods.get(record.method) if record.method in methods.names() else None
    grid = results(record.report, record.tasks, titles or {})
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {for_markdown(title)}",
        f"One image encoder made from {len(record.tasks)} experts of the suite {for_markdown(record.suite)}, merged "
        f"with {for_markdown(method_title(record))}." + (f" {for_markdown(method.summary)}" if method else ""),
        "## Results",
        _told(record, grid),
        *_more(record.report, titles or {}),
        *_doubts(record.report),
        *(["## Coefficients", f"![λ of every group and task]({picture})"] if picture else []),
        "## Settings",
        markdown(settings(record)),
        "## Loading",
        loading.text,
        *(["## Source", for_markdown(method.paper)] if method else []),
    ]
    return "\n\n".join(parts) + "\n"


def _told(record: RunRecord, grid: Grid) -> str:
    if not grid.lines:
        return "This run has no final evaluation."
    words = {
        "nothing": "No images were used for merging.",
        "test": "λ was learned on the unlabelled test images, on which accuracy is measured too.",
    }
    split = words.get(record.adapted_on, f"λ was learned on unlabelled {record.adapted_on} images.")
    if record.what_if is not None:
        split += (
            f" It was then changed by hand: this is run {record.what_if.of} at step {record.what_if.step} with "
            f"{record.what_if.words}."
        )
    verdict = (record.report or {}).get("verdict")
    told = f"\n\n{for_markdown(verdict['sentence'])}" if verdict else ""
    return f"Top-1 accuracy on all test images. {for_markdown(split)}\n\n{markdown(grid)}{told}"


def _more(report: Mapping[str, Any] | None, titles: Mapping[str, str]) -> list[str]:
    """What is reported beside accuracy, and the classes that are taken for others, as sections."""
    found, most = measures(report, titles), confusions(report, titles)
    parts = ["### Other measures", markdown(found)] if found.lines else []
    if most.lines:
        told = "The most frequent confusions of each task; accuracy and F1 of every class are in the report."
        parts += ["### Confusions", told, markdown(most)]
    return parts


def _doubts(report: Mapping[str, Any] | None) -> list[str]:
    """What makes the results doubtful, as a section."""
    found = [f"- {for_markdown(told)}" for told in doubts(report or {})]
    return ["## Findings", "\n".join(found)] if found else []


def loading_of(arch: Architecture | None) -> Loading:
    """How the model of a run is loaded, for a card without it; None where its architecture is not known."""
    if arch is not None and not arch.zero_shot:
        return Loading(
            arch.family,
            f"`runs export` and the page Share write the model as a folder for {arch.family}, with the heads of all "
            "tasks and a card that shows how to load them.",
        )
    text = "`merged.safetensors` holds open_clip names."
    name = "" if arch is None else arch.name
    if not name or name.endswith(".json"):
        text = f"{text[:-1]}; build the model from the suite's own configuration file."
        name = "path/to/the/architecture"
    return Loading(OPEN_CLIP, f"{text}\n{_LOADING.format(arch=name)}".rstrip(), ZERO_SHOT)
