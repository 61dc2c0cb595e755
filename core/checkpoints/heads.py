"""The linear heads that a checkpoint holds beside its encoder: classifiers, whatever a training has called them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.checkpoints.layouts import LORA, Kind
from core.checkpoints.opening import Opened
from core.checkpoints.source import TensorEntry
from core.encoders.models import VISUAL

WORD = re.compile(r"\w*(?:head|classifier|probe|logits)\w*|fc|linear", re.IGNORECASE)
"""What a head is called; where an encoder was recognised, a matrix beside it may have any name."""
TEXT = re.compile(r"text|transformer\.|token_|positional_")
"""How open_clip's names of a text tower begin."""
INNER = re.compile(r"attn|attention|blocks|layers|embed")


def heads(opened: Opened) -> dict[str, tuple[str, str | None]]:
    """Key -> the names in the file of a matrix `[classes, width]` and of its bias `[classes]`, None where it has none.

    The key is what stands before `.weight`; empty for a file that is a head and nothing else.
    """
    table, layout = opened.source.table, opened.layout
    used = {part for name, recipe in layout.recipes.items() if name.startswith(VISUAL) for part in recipe.parts}
    known = layout.kind in (Kind.CLIP, Kind.ENCODER)
    ours = {part: name for name, recipe in layout.recipes.items() for part in recipe.parts}
    found: dict[str, tuple[str, str | None]] = {}
    for key, layer in layers(table).items():
        name = layer[0]
        if name in used or LORA.fullmatch(name) or TEXT.match(ours.get(name, "")) or name.startswith(layout.others):
            continue
        named = any(map(WORD.fullmatch, key.split(".")[-2:])) and not INNER.search(key)
        if known or named or layout.kind == Kind.HEAD:
            found[key] = layer
    return found


def layers(table: Mapping[str, TensorEntry]) -> dict[str, tuple[str, str | None]]:
    """Key -> the names of every matrix in a file, and of its bias, None where it has none."""
    found: dict[str, tuple[str, str | None]] = {}
    for name, entry in table.items():
        key, _, last = name.rpartition(".")
        if last == "weight" and len(entry.shape) == 2:
            bias = f"{key}.bias".removeprefix(".")
            found[key] = (name, bias if bias in table else None)
    return found
