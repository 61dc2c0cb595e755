"""LoRA adapters of PEFT: τ = scale · B · A for each matrix that they adapt, added to the base.

Hu et al. (2022), https://arxiv.org/abs/2106.09685; rank-stabilised scale: Kalajdzievski (2023),
https://arxiv.org/abs/2312.03732.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from core.checkpoints import hugging_face
from core.checkpoints.opening import Opened
from core.encoders.models import VISUAL
from core.errors import BadCheckpoint
from core.lazily import torch

FACTOR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<which>[AB])(?:\.\w+)?\.weight")
UNSUPPORTED = {
    "use_dora": "DoRA",
    "lora_bias": "a bias of its own",
    "modules_to_save": "whole modules besides the adapter (`modules_to_save`)",
    "trainable_token_indices": "trained tokens",
    "megatron_config": "Megatron's layers",
    "alora_invocation_tokens": "activated LoRA",
    "arrow_config": "Arrow routing",
    "use_bdlora": "block-diagonal LoRA",
    "target_parameters": "parameters adapted by name (`target_parameters`)",
}
"""Options of PEFT that change what an adapter does and are refused by name when they are set."""


def apply(opened: Opened, base: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The base's image encoder with the adapter merged into it, under open_clip's names without `visual.`.

    What the adapter changes is float64: rounded to a half-precision base, most of a small B · A would be lost.
    Raises `BadCheckpoint` for everything that is no plain LoRA of the image encoder, by name.
    """
    file, config = opened.path.name, opened.config
    _check(file, config)
    factors: dict[str, dict[str, str]] = {}
    for name in opened.source.table:
        match = FACTOR.fullmatch(name)
        if match is None:
            raise BadCheckpoint(
                f"`{file}` should be a plain LoRA adapter. Found `{name[:120]}`, which is not supported."
            )
        factors.setdefault(match["module"], {})[match["which"]] = name
    tensors = dict(base)
    for module, pair in factors.items():
        if set(pair) != {"A", "B"}:
            raise BadCheckpoint(f"`{file}`: `{module[:120]}` should have lora_A and lora_B. Found only one of them.")
        (_, a), (_, b) = opened.source.read((pair["A"], pair["B"]))
        name, third = _target(file, module, base)
        if tensors[name] is base[name]:
            tensors[name] = base[name].cpu().to(torch.float64, copy=True)
        _add(file, module, tensors[name], third, a, b, _scale(file, config, module, a))
    return tensors


def _check(file: str, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise BadCheckpoint(
            f"`{file}` should be a LoRA adapter. Found peft_type {str(config.get('peft_type'))[:40]!r}."
        )
    found = [told for key, told in UNSUPPORTED.items() if config.get(key)]
    if config.get("bias", "none") != "none":
        found.append(f"bias {str(config['bias'])[:20]!r}")
    if found:
        raise BadCheckpoint(
            f"`{file}` should be a plain LoRA adapter. Found {', '.join(found)}. Merge it into its model with PEFT "
            "first."
        )


def _target(file: str, module: str, base: Mapping[str, torch.Tensor]) -> tuple[str, int | None]:
    """The base's tensor that a module's matrix is, and which third of it: 0, 1 and 2 are query, key and value."""
    if module.startswith(hugging_face.TEXT):
        raise BadCheckpoint(
            f"`{file}` also adapts the text tower (`{module[:120]}`); only the image encoder is merged."
        )
    inner = module.removeprefix(VISUAL)
    target = hugging_face.to_open_clip(f"{module}.weight")
    if target is not None and target[0].removeprefix(VISUAL) in base:
        return target[0].removeprefix(VISUAL), hugging_face.QKV.index(target[1]) if target[1] else None
    if f"{inner}.weight" in base:
        return f"{inner}.weight", None
    raise BadCheckpoint(
        f"`{file}` adapts `{module[:120]}`, which this base does not have. Give the base it was made for."
    )


def _scale(file: str, config: Mapping[str, Any], module: str, a: torch.Tensor) -> float:
    """lora_alpha / r, or lora_alpha / √r where it is rank-stabilised."""
    rank = _pattern(config, "rank_pattern", module, config.get("r"))
    alpha = _pattern(config, "alpha_pattern", module, config.get("lora_alpha"))
    if not isinstance(rank, int) or not isinstance(alpha, int | float) or isinstance(rank, bool) or rank < 1:
        raise BadCheckpoint(f"`{file}` should give r and lora_alpha as numbers in its configuration.")
    if a.ndim < 2 or a.shape[0] != rank:
        raise BadCheckpoint(
            f"`{file}`: lora_A of `{module[:120]}` should have {rank} rows. Found shape {list(a.shape)}."
        )
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _pattern(config: Mapping[str, Any], key: str, module: str, otherwise: Any) -> Any:
    """The value that a pattern gives this module: PEFT matches a whole name, or its end after a dot.

    Patterns are taken as plain text. PEFT takes them for regular expressions, which a file could make run for ever.
    """
    patterns = config.get(key) or {}
    if not isinstance(patterns, dict):
        return None
    for name, value in patterns.items():
        plain = str(name).removeprefix("^")
        if module == plain or module.endswith(f".{plain}"):
            return value
    return otherwise


def _add(
    file: str, module: str, weight: torch.Tensor, third: int | None, a: torch.Tensor, b: torch.Tensor, scale: float
) -> None:
    """Add scale · B · A to a weight, in the third of its rows that the matrix is."""
    part = weight if third is None else weight[third * len(weight) // 3 : (third + 1) * len(weight) // 3]
    transposed = module == "visual_projection"
    shape = (part.shape[1], part.shape[0]) if transposed and part.ndim == 2 else tuple(part.shape)
    if not (a.ndim == b.ndim == len(shape) and b.shape[1] == a.shape[0] and (b.shape[0], *a.shape[1:]) == shape):
        raise BadCheckpoint(
            f"`{file}`: `{module[:120]}` should adapt a matrix of shape {list(shape)}. Found B {list(b.shape)} · "
            f"A {list(a.shape)}."
        )
    if b.ndim > 2 and math.prod(b.shape[2:]) != 1:
        raise BadCheckpoint(
            f"`{file}`: lora_B of `{module[:120]}` should be a 1 × 1 convolution. Found {list(b.shape)}."
        )
    tau = scale * (b.reshape(b.shape[0], -1).to(weight) @ a.reshape(a.shape[0], -1).to(weight))
    part += (tau.T if transposed else tau).reshape(part.shape)
