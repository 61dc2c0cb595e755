"""CLIP's image encoder written out in plain tensor algebra, with the input of every linear map on the way."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

HEADS = 2
"""Heads of the tiny encoder: width 32, head width 16."""


def forward(w: Mapping[str, Tensor], images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Features `[N, E]` of normalised images, and tensor name -> its input `[rows, in]`."""
    seen: dict[str, Tensor] = {}

    def linear(x: Tensor, name: str, bias: str) -> Tensor:
        seen[name] = x.reshape(-1, x.shape[-1])
        return x @ w[name].T + w[bias]

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    patches = F.conv2d(images, w["conv1.weight"], stride=w["conv1.weight"].shape[-1]).flatten(2).mT
    first = w["class_embedding"].expand(len(images), 1, -1)
    x = norm(torch.cat([first, patches], dim=1) + w["positional_embedding"], "ln_pre")
    for at in range(sum(name.endswith("ln_1.weight") for name in w)):
        block = f"transformer.resblocks.{at}."
        qkv = linear(norm(x, block + "ln_1"), block + "attn.in_proj_weight", block + "attn.in_proj_bias")
        q, k, v = (part.unflatten(-1, (HEADS, -1)).movedim(2, 1) for part in qkv.chunk(3, dim=-1))
        attended = ((q @ k.mT) / q.shape[-1] ** 0.5).softmax(-1) @ v
        attended = attended.movedim(1, 2).flatten(2)
        x = x + linear(attended, block + "attn.out_proj.weight", block + "attn.out_proj.bias")
        hidden = linear(norm(x, block + "ln_2"), block + "mlp.c_fc.weight", block + "mlp.c_fc.bias")
        x = x + linear(F.gelu(hidden), block + "mlp.c_proj.weight", block + "mlp.c_proj.bias")
    pooled = norm(x, "ln_post")[:, 0]
    seen["proj"] = pooled
    return pooled @ w["proj"], seen
