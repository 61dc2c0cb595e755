"""open_clip models: the image encoder that is merged and the text tower that makes the heads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.errors import BadSuite, UnknownName

VISUAL = "visual."
"""Prefix of the image encoder's tensors in an open_clip state dict."""


_INPUT = ("mean", "std", "interpolation", "resize_mode")


_UNBUILDABLE = (TypeError, ValueError, AssertionError, ZeroDivisionError, AttributeError, RuntimeError, KeyError)


@dataclass(frozen=True)
class Architecture:
    """What a model is built from, without its weights."""

    name: str
    config: dict[str, Any]
    """open_clip configuration: `embed_dim`, `vision_cfg`, `text_cfg` and options."""
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    interpolation: str = "bicubic"
    """bicubic or bilinear."""
    resize_mode: str = "shortest"
    """How images get the input's size: `shortest` (side, then the centre is cut out) or `squash` (both sides)."""

    tokenizer: Path | None = None
    """A folder with the tokenizer, where it is not CLIP's own."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the encoder's input, in pixels."""
        size = self.config["vision_cfg"].get("image_size", 224)
        return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @property
    def image_size(self) -> int:
        """Height of the encoder's input, in pixels."""
        return self.input_size[0]


def architecture(name: str, file: Path | None = None) -> Architecture:
    """The architecture called `name`: an open_clip model name, or the JSON configuration in `file`.

    Raises `UnknownName` for a name that open_clip does not have, `BadSuite` for an unusable configuration file.
    """
    if file is None:
        import open_clip  # Here and below: it takes a second or two, which lists and the first page need not wait for.

        # open_clip itself also takes `hf-hub:…` and `local-dir:…`: those fetch, or open what is not in the suite.
        if name not in open_clip.list_models():
            raise UnknownName("architecture", name, ["a path to a .json configuration", *open_clip.list_models()])
        return Architecture(name, _self_contained(name, open_clip.get_model_config(name)), **_usual_input(name))
    try:
        config = json.loads(file.read_text("utf-8"))
        taken: dict[str, Any] = {}
        if "model_cfg" in config:  # open_clip_config.json of the hub has both.
            config, taken = config["model_cfg"], config.get("preprocess_cfg") or {}
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
            raise ValueError("a key is missing")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadSuite(
            f"`{file}` should be a JSON file with embed_dim, vision_cfg and text_cfg (an open_clip configuration). "
            f"Found: {error}."
        ) from None
    usual: dict[str, Any] = {
        key: tuple(taken[key]) if key in ("mean", "std") else taken[key] for key in _INPUT if taken.get(key)
    }
    return Architecture(name, _self_contained(name, config), **usual)


def _self_contained(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration, unless building the image tower from it would fetch something."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    if not isinstance(vision, dict) or not isinstance(text, dict):
        raise BadSuite(f"`{name}` should have objects as vision_cfg and text_cfg (an open_clip configuration).")
    if vision.get("timm_model_pretrained") or vision.get("hf_model_name"):
        raise BadSuite(
            f"`{name}` should be an architecture whose image tower is built without fetching anything. Found: "
            f"{'timm_model_pretrained' if vision.get('timm_model_pretrained') else 'hf_model_name'} in vision_cfg."
        )
    return config


def _usual_input(name: str) -> dict[str, Any]:
    """What most pretrained weights of a model of open_clip take their images through; nothing where it has none."""
    import open_clip

    known = [open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]
    kinds = Counter(tuple((key, one[key]) for key in _INPUT if one.get(key) is not None) for one in known)
    return dict(kinds.most_common(1)[0][0]) if kinds else {}


def build(arch: Architecture, device: str = "cpu") -> nn.Module:
    """The open_clip model with weights yet to be loaded, in evaluation mode.

    On device "meta" it takes neither time nor memory: its weights are then given with each call. Raises `BadSuite` for
    a configuration that can't be built, text towers that have to be fetched included.
    """
    import open_clip

    config = {**arch.config}
    if foreign := arch.config["text_cfg"].get("hf_model_name"):
        raise BadSuite(
            f"`{arch.name}` has a text tower that open_clip would fetch (`{foreign}`). Give each task a `head`, made "
            "where that model is available."
        )
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    if "multimodal_cfg" in config:
        kind = open_clip.CoCa
    return _made(arch, lambda: kind(**config), device)


def build_visual(arch: Architecture, device: str = "cpu") -> nn.Module:
    """The image encoder alone, as `build(arch, device).visual` would be; needs no text tower that can be built."""
    from open_clip.model import _build_vision_tower

    config = arch.config
    return _made(
        arch,
        lambda: _build_vision_tower(config["embed_dim"], config["vision_cfg"], bool(config.get("quick_gelu"))),
        device,
    )


def computed_buffers(arch: Architecture, visual: nn.Module) -> dict[str, Tensor]:
    """Buffers of the image encoder that no checkpoint holds, because they follow from its shape (rotary embeddings).

    `visual` is the encoder on device "meta", which has their names but not their values.
    """
    if not _not_stored(visual):
        return {}
    with torch.random.fork_rng(devices=[]), _ParametersUntouched():
        return _not_stored(build_visual(arch, "cpu"))


class _ParametersUntouched(TorchFunctionMode):
    """Leaves out giving parameters first values where nobody looks at them: that alone takes up to half a minute."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        first = args[0] if args else kwargs.get("tensor")  # `nn.init` hands its tensor on by name
        in_place = func.__name__.endswith("_") and not func.__name__.endswith("__")
        return first if in_place and isinstance(first, nn.Parameter) else func(*args, **kwargs)


def _not_stored(visual: nn.Module) -> dict[str, Tensor]:
    stored = visual.state_dict().keys()
    return {name: buffer for name, buffer in visual.named_buffers() if name not in stored}


def _made(arch: Architecture, make: Callable[[], nn.Module], device: str) -> nn.Module:
    try:
        with torch.device(device), _ParametersUntouched() if device == "meta" else nullcontext():
            model = make()
    except _UNBUILDABLE as error:
        found = str(error).partition("\n")[0]
        raise BadSuite(f"`{arch.name}` is not a usable open_clip configuration: {found}.") from None
    return model.eval().requires_grad_(False)
