"""Names of Hugging Face's CLIP and those of open_clip, both ways.

The same weights under other names, but for the attention's query, key and value, which open_clip keeps in one tensor,
and the projections, which it keeps transposed (`x @ proj` instead of a linear layer).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from core.checkpoints.recipes import TensorRecipe

QKV = ("q_proj", "k_proj", "v_proj")
VISION, TEXT = "vision_model.", "text_model."
LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
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
            made[target[0]] = TensorRecipe((name,), transposed=name in PROJECTIONS)
    for target_name, found in parts.items():
        if len(found) == len(QKV):
            made[target_name] = TensorRecipe(tuple(found[part] for part in QKV))
        else:
            unknown += found.values()
    return made, unknown


def to_open_clip(name: str) -> tuple[str, str] | None:
    """The open_clip name of a Hugging Face name, and which of q, k and v it is; None where it has none."""
    if name in PROJECTIONS:
        return PROJECTIONS[name], ""
    if name == LOGIT_SCALE:
        return name, ""
    if name.startswith(TEXT):
        tower, fixed, inner = "", WORDS, name.removeprefix(TEXT)
    else:
        tower, fixed, inner = "visual.", IMAGE, name.removeprefix(VISION)
    if inner in fixed:
        return tower + fixed[inner], ""
    match = LAYER.fullmatch(inner)
    if match is None:
        return None
    block, (module, _, kind) = f"{tower}transformer.resblocks.{match[1]}.", match[2].rpartition(".")
    if module in IN_LAYER:
        return f"{block}{IN_LAYER[module]}.{kind}", ""
    part = module.removeprefix("self_attn.")
    if part in QKV and kind in ("weight", "bias"):
        return f"{block}attn.in_proj_{kind}", part
    return None


def from_open_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """open_clip tensors of a CLIP model (or of its image encoder, under `visual.`) under Hugging Face's names.

    The inverse of `recipes`. Raises `KeyError` naming a tensor that Hugging Face's CLIP has no place for.
    """
    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for target, value in _split(name, tensor).items():
            made[target] = value.contiguous()
    return made


def _split(name: str, tensor: Tensor) -> dict[str, Tensor]:
    projections = {theirs: ours for ours, theirs in PROJECTIONS.items()}
    if name in projections:
        return {projections[name]: tensor.T}
    if name == LOGIT_SCALE:
        return {name: tensor}
    image = name.startswith("visual.")
    tower, fixed, inner = (VISION, IMAGE, name.removeprefix("visual.")) if image else (TEXT, WORDS, name)
    back = {theirs: ours for ours, theirs in fixed.items()}
    if inner in back:
        return {tower + back[inner]: tensor}
    match = BLOCK.fullmatch(inner)
    if match is None:
        raise KeyError(name)
    layer = f"{tower}encoder.layers.{match[1]}."
    if match[2] in ("attn.in_proj_weight", "attn.in_proj_bias"):
        kind = match[2].rpartition("_")[2]
        return {f"{layer}self_attn.{part}.{kind}": value for part, value in zip(QKV, tensor.chunk(3), strict=True)}
    module, _, kind = match[2].rpartition(".")
    in_layer = {theirs: ours for ours, theirs in IN_LAYER.items()}
    if module not in in_layer:
        raise KeyError(name)
    return {f"{layer}{in_layer[module]}.{kind}": tensor}
