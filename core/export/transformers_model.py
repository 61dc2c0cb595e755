"""The merged model as a folder that `transformers` loads: weights, configuration, preprocessing, tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from core.checkpoints.hugging_face import from_open_clip
from core.encoders.family import FAMILIES
from core.encoders.models import VISUAL, Architecture
from core.errors import BadInput
from core.export.card import ZERO_SHOT, Loading

VISION_KEYS = {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio", "patch_dropout"}
TEXT_KEYS = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}
MODEL_KEYS = {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "init_logit_scale"}
"""What Hugging Face's CLIP can express; anything else in a configuration changes what the model computes."""
START, END = ("<start_of_text>", "<|startoftext|>"), ("<end_of_text>", "<|endoftext|>")
"""The same tokens as open_clip and as Hugging Face call them."""

_LOADING = """
```python
from transformers import CLIPImageProcessor, {kind}

model = {kind}.from_pretrained("path/to/this/folder")
processor = CLIPImageProcessor.from_pretrained("path/to/this/folder")
```

The folder holds the weights in float32. Image features are normalised before they are multiplied by a head.
"""


def write_model(tensors: Mapping[str, Tensor], arch: Architecture, folder: Path, metadata: Mapping[str, str]) -> str:
    """Write `tensors` (open_clip's names) into `folder`; returns the class of `transformers` that loads it.

    That is CLIPModel where the text tower is there, else CLIPVisionModelWithProjection. Raises `BadInput` for an
    architecture that Hugging Face's CLIP can't compute.
    """
    _check(arch)
    whole = "logit_scale" in tensors and "transformer.resblocks.0.ln_1.weight" in tensors
    kept = {name: x.float() for name, x in tensors.items() if whole or name.startswith(VISUAL)}
    kept = {name: x for name, x in kept.items() if not name.endswith("attn_mask")}
    try:
        named = from_open_clip(kept)
    except KeyError as error:
        raise BadInput(f"`{arch.name}` can't be written for transformers: its CLIP has no place for {error}.") from None
    save_file(named, folder / "model.safetensors", {**metadata, "format": "pt"})
    write_json(folder / "config.json", configuration(arch, whole=whole))
    write_json(folder / "preprocessor_config.json", FAMILIES.get("transformers").preprocessing(arch))
    if whole:
        _write_tokenizer(arch, folder)
    return "CLIPModel" if whole else "CLIPVisionModelWithProjection"


def write_clip(tensors: Mapping[str, Tensor], arch: Architecture, folder: Path, metadata: Mapping[str, str]) -> Loading:
    """The same, and how it is loaded."""
    kind = write_model(tensors, arch, folder, metadata)
    text = _LOADING.format(kind=kind).strip()
    return Loading("transformers", text, ZERO_SHOT, f"{kind}.from_pretrained")


def configuration(arch: Architecture, *, whole: bool) -> dict[str, Any]:
    """`config.json` of CLIPModel, or of CLIPVisionModelWithProjection."""
    vision, embed = arch.config["vision_cfg"], arch.config["embed_dim"]
    shared = {"hidden_act": "quick_gelu" if arch.config.get("quick_gelu") else "gelu", "layer_norm_eps": 1e-5}

    def tower(kind: str, own: Mapping[str, Any], width: int, heads: int) -> dict[str, Any]:
        return shared | {
            "model_type": kind,
            "hidden_size": width,
            "intermediate_size": int(width * own.get("mlp_ratio", 4.0)),
            "num_hidden_layers": own.get("layers", 12),
            "num_attention_heads": heads,
            "projection_dim": embed,
        }

    width = vision.get("width", 768)
    image = tower("clip_vision_model", vision, width, width // vision.get("head_width", 64))
    image |= {"image_size": arch.image_size, "patch_size": vision.get("patch_size", 16), "num_channels": 3}
    if not whole:
        return {"architectures": ["CLIPVisionModelWithProjection"], "dtype": "float32", **image}
    text, words = arch.config["text_cfg"], arch.config["text_cfg"].get("vocab_size", 49408)
    language = tower("clip_text_model", text, text.get("width", 512), text.get("heads", 8))
    language |= {"max_position_embeddings": text.get("context_length", 77), "vocab_size": words}
    language |= {"bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": 0}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "dtype": "float32",
        "projection_dim": embed,
        "vision_config": image,
        "text_config": language,
    }


def obstacles(arch: Architecture) -> list[str]:
    """What Hugging Face's CLIP can't compute of an architecture, in words; empty where it can be written."""
    found = sorted(set(arch.config) - MODEL_KEYS)
    found += sorted(set(arch.config["vision_cfg"]) - VISION_KEYS) + sorted(set(arch.config["text_cfg"]) - TEXT_KEYS)
    vision = arch.config["vision_cfg"]
    if not isinstance(vision.get("layers", 12), int):
        found.append("a residual network")
    if arch.input_size[0] != arch.input_size[1]:
        found.append("images that are not square")
    return found


def _check(arch: Architecture) -> None:
    if found := obstacles(arch):
        raise BadInput(
            f"`{arch.name}` should be a plain CLIP vision transformer to be written for transformers. Found "
            f"{', '.join(found)}. Export open_clip weights instead (`--format open_clip`)."
        )


def _write_tokenizer(arch: Architecture, folder: Path) -> None:
    """CLIP's tokenizer as `transformers` reads it, from open_clip's own list of merges."""
    length = arch.config["text_cfg"].get("context_length", 77)
    import open_clip  # Here, since the page asks only what `transformers` can express.

    tokenizer = open_clip.SimpleTokenizer(context_length=length)
    names = dict((START, END))
    write_json(folder / "vocab.json", {names.get(word, word): number for word, number in tokenizer.encoder.items()})
    merges = "".join(f"{one} {two}\n" for one, two in sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__))
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}", "utf-8")
    special = {"bos_token": START[1], "eos_token": END[1], "pad_token": END[1], "unk_token": END[1]}
    options = {"tokenizer_class": "CLIPTokenizer", "model_max_length": length, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", options | special)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a configuration as libraries have it."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
