"""CLIP's image encoder under the names of timm's vision transformers, and what open_clip calls the same.

The same weights but for the shapes of two embeddings. timm has no projection: what it calls `head` is the classifier of
a fine-tune, so that is left to the file's heads.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.checkpoints.hugging_face import general
from core.checkpoints.source import How, TensorRecipe

IN_BLOCK = {
    "norm1": "ln_1",
    "norm2": "ln_2",
    "attn.proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
NORMS = {"norm_pre": "ln_pre", "norm": "ln_post"}
OURS = {
    "cls_token": "class_embedding",
    "pos_embed": "positional_embedding",
    "patch_embed.proj.weight": "conv1.weight",
    **{f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in NORMS.items() for kind in ("weight", "bias")},
    **{
        f"blocks.#.{theirs}.{kind}": f"transformer.resblocks.#.{ours}.{kind}"
        for theirs, ours in IN_BLOCK.items()
        for kind in ("weight", "bias")
    },
    **{f"blocks.#.attn.qkv.{kind}": f"transformer.resblocks.#.attn.in_proj_{kind}" for kind in ("weight", "bias")},
}
"""timm's name, with # for the number of a block -> open_clip's, without `visual.`."""
FLAT = ("cls_token", "pos_embed")
"""Have a first dimension (or two) of 1 that open_clip's don't."""


def recipes(names: Iterable[str]) -> tuple[dict[str, TensorRecipe], list[str]]:
    """open_clip name, without `visual.` -> how to make it from timm's names, and the names that have no place there."""
    made, unknown = dict[str, TensorRecipe](), list[str]()
    for name in names:
        block, found = general(name)
        if found in OURS:
            how = How.FLATTENED if name in FLAT else How.STACKED
            made[OURS[found].replace("#", block)] = TensorRecipe((name,), how)
        else:
            unknown.append(name)
    return made, unknown
