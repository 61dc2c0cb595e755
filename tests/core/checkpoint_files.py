"""Small checkpoints of every format, written by the real libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.tiny import CONFIG

PATCH, SIZE = CONFIG["vision_cfg"]["patch_size"], CONFIG["vision_cfg"]["image_size"]
VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": SIZE, "patch_size": PATCH, "projection_dim": 16,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "vocab_size": 49408, "max_position_embeddings": 16, "projection_dim": 16, "eos_token_id": 49407,
    "bos_token_id": 49406, "pad_token_id": 1,
}  # fmt: skip


def clip(seed: int = 0, *, quick_gelu: bool = False, **changes: Any) -> open_clip.CLIP:
    """The tiny CLIP of tests/tiny.py with random weights, none of them 0."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CLIP(**CONFIG | changes, quick_gelu=quick_gelu)
        for parameter in model.parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape)
    return model.eval()


def hugging_face(kind: str, seed: int = 0, activation: str = "quick_gelu") -> Any:
    """A `transformers` model of the same shape: CLIPModel, CLIPVisionModel or CLIPVisionModelWithProjection."""
    import transformers

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vision = VISION | {"hidden_act": activation}
        if kind == "CLIPModel":
            config = transformers.CLIPConfig(
                vision_config=vision, text_config=TEXT | {"hidden_act": activation}, projection_dim=16
            )
        else:
            config = transformers.CLIPVisionConfig(**vision)
        model = getattr(transformers, kind)(config).eval()
        for parameter in model.parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape)
    return model


def save(tensors: Any, path: Path, layout: str = "zip", **options: Any) -> Path:
    """Write with `torch.save` in its zip or legacy layout, or as safetensors."""
    if layout == "safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=layout == "zip", **options)
    return path


def equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    """Same names, element types and bits."""
    return found.keys() == expected.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor) for name, tensor in expected.items()
    )
