"""What a model is built from: architectures of open_clip and other libraries, by name or by a configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core import paths, remembered

VISUAL = "visual."
"""Prefix of the image encoder's tensors in an open_clip state dict."""


OPEN_CLIP = "open_clip"
INPUT = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Architecture:
    """What a model is built from, without its weights."""

    name: str
    config: dict[str, Any]
    """open_clip configuration: `embed_dim`, `vision_cfg`, `text_cfg` and options. What other families build from."""
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    interpolation: str = "bicubic"
    """bicubic or bilinear."""
    resize_mode: str = "shortest"
    """How images get the input's size: `shortest` (side, then the centre is cut out) or `squash` (both sides)."""

    tokenizer: Path | None = None
    """A folder with the tokenizer, where it is not CLIP's own."""
    family: str = "open_clip"
    """Whose model it is: see `core.encoders.families`."""
    size: tuple[int, int] | None = None
    """Height and width of the input where the configuration is not open_clip's."""
    resized: int | None = None
    """What the shorter side is brought to before the centre is cut out, where that is not the input's."""

    @property
    def zero_shot(self) -> bool:
        """Whether it is CLIP: a text tower makes the heads, and features are normalised."""
        return self.family == OPEN_CLIP

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the encoder's input, in pixels."""
        if self.size is not None:
            return self.size
        size = self.config["vision_cfg"].get("image_size", 224)
        return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @property
    def image_size(self) -> int:
        """Height of the encoder's input, in pixels."""
        return self.input_size[0]


@cache
def known() -> Mapping[str, Mapping[str, dict[str, Any]]]:
    """What open_clip says of each of its models: `config`, and `input`, what most of its pretrained weights take images
    through. Remembered for each of its releases, since importing it takes seconds."""
    found: dict[str, dict[str, Any]] = remembered.value(
        paths.cache() / "open_clip.json", version("open_clip_torch"), _asked
    )
    return found


def _asked() -> dict[str, Any]:
    import open_clip

    return {
        name: {"config": open_clip.get_model_config(name), "input": _usual_input(name)}
        for name in open_clip.list_models()
    }


def _usual_input(name: str) -> dict[str, Any]:
    """What most pretrained weights of a model of open_clip take their images through; nothing where it has none."""
    import open_clip

    tags = [open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]
    kinds = Counter(tuple((key, one[key]) for key in INPUT if one.get(key) is not None) for one in tags)
    return dict(kinds.most_common(1)[0][0]) if kinds else {}
