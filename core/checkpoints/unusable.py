"""Checkpoints that can't be merged as they are, told by the names of their tensors: what each is, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable

ORIGINAL = "Give the weights from before they were quantised, in float32, float16 or bfloat16"
_END = r"(?:.*\.)?"
_ALWAYS: tuple[tuple[str, str], ...] = (
    (
        rf"{_END}params0\.\d+",
        "is a linearised fine-tune: lists of tensors (`params`, `params0`) without the names of an encoder. Its model "
        "is f(θ₀) plus the derivative of f times θ − θ₀, and in f itself these weights answer something else. Give the "
        "ordinary (nonlinear) fine-tune",
    ),
    (
        rf"{_END}(?:absmax|quant_map|quant_state\..*|SCB|weight_format)",
        f"is quantised with bitsandbytes. {ORIGINAL}; `model.dequantize()` of transformers comes near them",
    ),
    (rf"{_END}g_idx", f"is quantised with GPTQ. {ORIGINAL}"),
    (rf"{_END}qweight", f"is quantised with AWQ or a format like it. {ORIGINAL}"),
    (
        rf"{_END}(?:W_q|weight_packed|weight_scale|weight_scale_inv|zero_point|_packed_params.*)",
        f"is quantised. {ORIGINAL}",
    ),
)
"""Names of which one is enough, and what the file is."""
_WITHOUT_ENCODER: tuple[tuple[str, str], ...] = (
    (
        rf"{_END}(?:exp_avg|exp_avg_sq|momentum_buffer|max_exp_avg_sq)",
        "is the state of an optimiser, without weights. Give the file of the model that was saved beside it",
    ),
    (
        rf"{_END}(?:token_embedding\.weight|wte\.weight|word_embeddings\.weight)",
        "is a text encoder alone, and image encoders are what is merged. Give the whole model, or its image encoder",
    ),
    (
        rf"{_END}params\.\d+",
        "is a list of tensors without names, as linearised models save them. Give a state dict, with names",
    ),
)
"""The same, where no image encoder was found."""


def obstacle(names: Iterable[str], encoder: bool) -> str:
    """Why tensors of these names can't be used, after the name of their file; empty where nothing says so.

    `encoder`: whether an image encoder was found among them.
    """
    found = list(names)
    for pattern, told in (*_ALWAYS, *(() if encoder else _WITHOUT_ENCODER)):
        if any(map(re.compile(pattern).fullmatch, found)):
            return told
    return ""
