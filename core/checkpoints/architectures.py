"""From shapes to open_clip names: which known models a table of tensors fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from core.checkpoints.source import TensorEntry
from core.encoders.family import architecture
from core.encoders.models import VISUAL, known
from core.errors import BadSuite, UnknownName

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
QUICK = "-quickgelu"
FAMILIES = {
    "stem.0.weight": "convnext",
    "pos_embed": "vit_",
    "cls_token": "eva",
    "patch_embed.backbone.stem.conv1.weight": "vitamin",
    "patch_embed.proj.weight": "swin",
    "stem.0.conv_kxk.0.conv.weight": "fastvit",
}
"""A tensor of timm's trunk -> part of the names of the models that have it."""
OUTPUTS = tuple(f"{VISUAL}{name}.weight" for name in ("head.proj", "head.mlp.fc2", "trunk.head.fc", "trunk.head"))
"""Last layers of towers whose trunk is timm's; their rows are the embedding's width."""


def guess(table: Mapping[str, TensorEntry], quick_gelu: bool | None = None) -> tuple[str, ...]:
    """open_clip names of the models whose tensors have these names and shapes (open_clip's names), likeliest first.

    A table without text tower or projection fits every model that agrees with what it has. Where `quick_gelu` is
    known only models with that activation are named; shapes alone can't tell.
    """
    names = _fitting(tuple(sorted((name, entry.shape) for name, entry in table.items())))
    return tuple(n for n in names if quick_gelu in (None, bool(known()[n]["config"].get("quick_gelu", False))))


@lru_cache(maxsize=256)
def _fitting(shapes: Shapes) -> tuple[str, ...]:
    table = dict(shapes)
    if f"{VISUAL}class_embedding" in table:
        found = [name for name, config in _configs() if _fits_transformer(config, table)]
    else:
        found = [name for name, config in _configs() if _may_fit(config, table) and _fits(name, table)]
    # The plain name of a size comes before its variants.
    return tuple(sorted(found, key=lambda name: (name.removesuffix(QUICK).count("-"), len(name), name)))


def _configs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, said in known().items():
        if "multimodal_cfg" not in said["config"]:
            yield name, said["config"]


def _fits_transformer(config: dict[str, Any], table: Mapping[str, tuple[int, ...]]) -> bool:
    vision = config["vision_cfg"]
    if vision.get("timm_model_name") or not isinstance(vision.get("layers"), int):
        return False
    width, patch = vision.get("width", 768), vision.get("patch_size", 16)
    size = vision.get("image_size", 224)
    grid = (size if isinstance(size, int) else size[0]) // patch
    expected = {
        "visual.conv1.weight": (width, 3, patch, patch),
        "visual.positional_embedding": (grid * grid + 1, width),
        f"visual.transformer.resblocks.{vision['layers'] - 1}.mlp.c_fc.weight": (
            int(width * vision.get("mlp_ratio", 4.0)),
            width,
        ),
        "visual.proj": (width, config["embed_dim"]),
    }
    text = config.get("text_cfg", {})
    if "token_embedding.weight" in table and "transformer.resblocks.0.ln_1.weight" in table:
        if text.get("hf_model_name"):
            return False
        expected["token_embedding.weight"] = (text.get("vocab_size", 49408), text.get("width", 512))
        expected["positional_embedding"] = (text.get("context_length", 77), text.get("width", 512))
        expected["text_projection"] = (text.get("width", 512), config["embed_dim"])
    optional = {"visual.proj"} - set(table)
    beyond = f"visual.transformer.resblocks.{vision['layers']}.ln_1.weight" in table
    return not beyond and all(table.get(name) == shape for name, shape in expected.items() if name not in optional)


def _may_fit(config: dict[str, Any], table: Mapping[str, tuple[int, ...]]) -> bool:
    """A cheap look before building: residual networks by their blocks, timm's by family and width of the output."""
    vision = config["vision_cfg"]
    timm = any(name.startswith(f"{VISUAL}trunk.") for name in table)
    if bool(vision.get("timm_model_name")) != timm:
        return False
    if not timm:
        return bool(vision.get("layers") == _blocks(table))
    if not any(
        family in vision["timm_model_name"] for sign, family in FAMILIES.items() if f"{VISUAL}trunk.{sign}" in table
    ):
        return False
    outputs = [table[name][0] for name in OUTPUTS if name in table]
    return not outputs or outputs[0] == config["embed_dim"]


def _blocks(table: Mapping[str, object]) -> list[int]:
    """How many blocks each of a residual network's four layers has."""
    found = [
        {name.split(".")[2] for name in table if name.startswith(f"{VISUAL}layer{layer}.")} for layer in range(1, 5)
    ]
    return [len(blocks) for blocks in found]


def _fits(name: str, table: Mapping[str, tuple[int, ...]]) -> bool:
    from core.encoders.building import build  # Here: most tables are told apart without building anything.

    try:
        model = build(architecture(name), device="meta")
    except (BadSuite, UnknownName):
        return False
    own = {key: shape for key, shape in table.items() if key.startswith(VISUAL)}
    return own == {key: tuple(value.shape) for key, value in model.state_dict().items() if key.startswith(VISUAL)}
