"""Which model a table of names is: finds the image encoder under any prefix and gives tensors their open_clip names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from core.checkpoints import hugging_face
from core.checkpoints.source import TensorEntry, TensorRecipe
from core.encoders.models import VISUAL
from core.errors import BadCheckpoint


class Kind(StrEnum):
    """What a checkpoint can be used for."""

    CLIP = "image encoder and text tower"
    ENCODER = "image encoder"
    CLASSIFIER = "image classifier"
    ADAPTER = "adapter of an image encoder"
    HEAD = "classification head"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Layout:
    """Whose names a checkpoint uses, and how each open_clip tensor is made of it."""

    name: str
    kind: Kind
    recipes: Mapping[str, TensorRecipe]
    passed_over: tuple[str, ...] = ()
    """Tensors that are not part of the model, or not of a part that is known."""
    from_base: tuple[str, ...] = ()
    """open_clip tensors that this layout leaves out, because fine-tuning did not touch them."""


HUGGING_FACE = re.compile(r"(?P<prefix>.*?)(?:vision_model\.)?embeddings\.(?:class_embedding|patch_embedding\.weight)")
FULL = re.compile(r"(?P<prefix>.*?)visual\.(?:conv1\.weight|class_embedding|trunk\..*)")
TOWER = re.compile(r"(?P<prefix>.*?)(?:class_embedding|ln_pre\.weight|attnpool\.positional_embedding|trunk\..*)")
LORA = re.compile(r".*\.lora_\w+.*")
ADAPTED = "base_model.model."
"""What PEFT puts before the names of the model that it adapts."""
TEXT = re.compile(r"token_embedding\.weight|text\..*")
LEFTOVER = re.compile(r"(?:.*\.)?(?:attn_mask|position_ids)")
"""Buffers that hold no knowledge: which tokens may look at which, and 0, 1, 2, …"""


def find_layout(file: str, table: Mapping[str, TensorEntry], *, adapter: bool = False) -> Layout:
    """The layout of a checkpoint; of an adapter also where only its configuration says so.

    Raises `BadCheckpoint` where it holds several image encoders.
    """
    if adapter or any(LORA.fullmatch(name) for name in table):
        # What it holds as a whole, such as a head.
        rest = {name.removeprefix(ADAPTED): TensorRecipe((name,)) for name in table if not LORA.fullmatch(name)}
        return Layout("PEFT adapter", Kind.ADAPTER, rest)
    for pattern, arrange in ((HUGGING_FACE, _hugging_face), (FULL, _open_clip), (TOWER, _tower)):
        prefixes = {match["prefix"] for match in map(pattern.fullmatch, table) if match}
        if len(prefixes) > 1:
            shown = ", ".join(f"`{prefix}`" for prefix in sorted(prefixes)[:4])
            raise BadCheckpoint(f"`{file}` should hold one image encoder. Found several, under {shown}. Save only one.")
        if prefixes:
            [prefix] = prefixes
            layout = arrange([name.removeprefix(prefix) for name in table if name.startswith(prefix)], prefix)
            outside = tuple(name for name in table if not name.startswith(prefix))
            return _checked(file, table, layout, outside)
    if _is_head(table):
        return Layout("linear layer", Kind.HEAD, {name: TensorRecipe((name,)) for name in table})
    return Layout("unknown names", Kind.UNKNOWN, {name: TensorRecipe((name,)) for name in table})


def _hugging_face(names: list[str], prefix: str) -> Layout:
    made, unknown = hugging_face.recipes(names)
    recipes = {name: TensorRecipe(tuple(prefix + part for part in r.parts), r.transposed) for name, r in made.items()}
    projected, text = "visual.proj" in made, "token_embedding.weight" in made
    title = "Hugging Face CLIP model" if text else "Hugging Face CLIP vision model"
    title += " with projection" if projected and not text else ""
    rest = tuple(prefix + name for name in unknown)
    return Layout(title, Kind.CLIP if text else Kind.ENCODER, recipes, rest, () if projected else ("visual.proj",))


def _open_clip(names: list[str], prefix: str) -> Layout:
    recipes = {name: TensorRecipe((prefix + name,)) for name in names if not LEFTOVER.fullmatch(name)}
    kind = Kind.CLIP if _has_text_tower(names) else Kind.ENCODER
    return Layout("open_clip model" if kind == Kind.CLIP else "open_clip image encoder", kind, recipes)


def _tower(names: list[str], prefix: str) -> Layout:
    recipes = {VISUAL + name: TensorRecipe((prefix + name,)) for name in names if not LEFTOVER.fullmatch(name)}
    return Layout("open_clip image encoder alone", Kind.ENCODER, recipes)


def _has_text_tower(names: Iterable[str]) -> bool:
    """Whether texts can be embedded; the authors' encoders keep its embeddings but not its transformer."""
    found = list(names)
    blocks = any(name.startswith(("transformer.", "text.")) for name in found)
    return blocks and any(TEXT.fullmatch(name) for name in found)


def _is_head(table: Mapping[str, TensorEntry]) -> bool:
    """One linear layer: a matrix `[classes, embed_dim]`, perhaps with a bias."""
    names = {name.rpartition(".")[2]: entry for name, entry in table.items()}
    if len(names) != len(table) or not {"weight"} <= set(names) <= {"weight", "bias"}:
        return False
    return len(names["weight"].shape) == 2 and ("bias" not in names or names["bias"].shape == names["weight"].shape[:1])


def _checked(file: str, table: Mapping[str, TensorEntry], layout: Layout, outside: tuple[str, ...]) -> Layout:
    """The layout, if its recipes can be carried out."""
    for name, recipe in layout.recipes.items():
        parts = {table[part] for part in recipe.parts}
        if len(recipe.parts) > 1 and (len(parts) > 1 or not next(iter(parts)).shape):
            raise BadCheckpoint(f"`{file}`: the query, key and value of `{name}` should have the same shape and type.")
        if recipe.transposed and len(table[recipe.parts[0]].shape) != 2:
            shape = list(table[recipe.parts[0]].shape)
            raise BadCheckpoint(f"`{file}`: `{recipe.parts[0]}` should be a matrix. Found shape {shape}.")
    return replace(layout, passed_over=(*layout.passed_over, *outside))
