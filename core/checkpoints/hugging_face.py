"""Names of Hugging Face's CLIP and those of open_clip, both ways.

The same weights under other names, but for the attention's query, key and value, which open_clip keeps in one tensor,
and the projections, which it keeps transposed (`x @ proj` instead of a linear layer).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from core.checkpoints.source import How, TensorRecipe
from core.lazily import torch

QKV = ("q_proj", "k_proj", "v_proj")
VISION, TEXT = "vision_model.", "text_model."
IN_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
IMAGE = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.weight": "ln_pre.weight",
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}
WORDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
PROJECTIONS = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}
LOGIT_SCALE = "logit_scale"
DROPPED = ("position_ids",)
"""Buffers of earlier versions of transformers: 0, 1, 2, …"""
NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
"""That of a block, for which # stands below."""


def _names() -> Iterator[tuple[str, str, str]]:
    """Each name of Hugging Face's, open_clip's, and which of query, key and value it is."""
    yield LOGIT_SCALE, LOGIT_SCALE, ""
    yield from ((theirs, ours, "") for theirs, ours in PROJECTIONS.items())
    for tower, own, fixed in ((VISION, "visual.", IMAGE), (TEXT, "", WORDS)):
        yield from ((tower + theirs, own + ours, "") for theirs, ours in fixed.items())
        layer, block = f"{tower}encoder.layers.#.", f"{own}transformer.resblocks.#."
        for kind in ("weight", "bias"):
            yield from ((f"{layer}{theirs}.{kind}", f"{block}{ours}.{kind}", "") for theirs, ours in IN_LAYER.items())
            yield from ((f"{layer}self_attn.{part}.{kind}", f"{block}attn.in_proj_{kind}", part) for part in QKV)


OURS = {theirs: (ours, part) for theirs, ours, part in _names()}
THEIRS: dict[str, list[str]] = {}
for _theirs, (_ours, _) in OURS.items():
    THEIRS.setdefault(_ours, []).append(_theirs)


def recipes(names: Iterable[str]) -> tuple[dict[str, TensorRecipe], list[str]]:
    """open_clip name -> how to make it from Hugging Face names, and the names that have no place in open_clip.

    `names` are those of CLIPModel, CLIPVisionModelWithProjection or CLIPVisionModel; the last has lost the prefix
    `vision_model.` since transformers 5.
    """
    made: dict[str, TensorRecipe] = {}
    parts: dict[str, dict[str, str]] = {}
    unknown = []
    for name in names:
        target = to_open_clip(name)
        if target is None:
            if not name.endswith(DROPPED):
                unknown.append(name)
        elif target[1]:
            parts.setdefault(target[0], {})[target[1]] = name
        else:
            made[target[0]] = TensorRecipe((name,), How.TRANSPOSED if name in PROJECTIONS else How.STACKED)
    for target_name, found in parts.items():
        if len(found) == len(QKV):
            made[target_name] = TensorRecipe(tuple(found[part] for part in QKV))
        else:
            unknown += found.values()
    return made, unknown


def to_open_clip(name: str) -> tuple[str, str] | None:
    """The open_clip name of a Hugging Face name, and which of q, k and v it is; None where it has none."""
    block, plain = general(name)
    found = OURS.get(plain) or OURS.get(VISION + plain)
    return found and (found[0].replace("#", block), found[1])


def from_open_clip(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """open_clip tensors of a CLIP model (or of its image encoder, under `visual.`) under Hugging Face's names.

    The inverse of `recipes`. Raises `KeyError` naming a tensor that Hugging Face's CLIP has no place for.
    """
    made: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        block, plain = general(name)
        if plain not in THEIRS:
            raise KeyError(name)
        theirs = THEIRS[plain]
        for target, value in zip(theirs, tensor.chunk(3) if len(theirs) > 1 else [tensor], strict=True):
            made[target.replace("#", block)] = (value.T if target in PROJECTIONS else value).contiguous()
    return made


def general(name: str) -> tuple[str, str]:
    """The number of the block in a name, and the name with # in its place."""
    number = NUMBER.search(name)
    return (number[0], NUMBER.sub("#", name, count=1)) if number else ("", name)
