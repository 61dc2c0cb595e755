"""open_clip models: the image encoder that is merged and the text tower that makes the heads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core import paths, remembered
from core.encoders.models import Architecture
from core.errors import BadSuite

_UNBUILDABLE = (TypeError, ValueError, AssertionError, ZeroDivisionError, AttributeError, RuntimeError, KeyError)


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


def outline(arch: Architecture) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """The image encoder's parameters with their shapes, and the buffers that checkpoints hold.

    Remembered for each release of what builds it, which takes seconds to import. Raises `BadSuite` as `build` does.
    """

    def built() -> dict[str, Any]:
        visual = build_visual(arch, "meta")
        stored = [name for name, _ in visual.named_buffers() if name not in _not_stored(visual)]
        return {"parameters": {name: list(p.shape) for name, p in visual.named_parameters()}, "buffers": stored}

    key = remembered.key([arch.config, str(torch.__version__), version("open_clip_torch"), version("timm")])
    found = remembered.value(paths.cache() / "encoders" / f"{key}.json", key, built)
    return {name: tuple(shape) for name, shape in found["parameters"].items()}, tuple(found["buffers"])


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
