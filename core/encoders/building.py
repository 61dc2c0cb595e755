"""Models built without their weights: the image encoder that is merged, and CLIP with its text tower."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core import paths, remembered
from core.encoders.family import family
from core.encoders.models import Architecture
from core.errors import BadSuite

T = TypeVar("T")
_UNBUILDABLE = (TypeError, ValueError, AssertionError, ArithmeticError, AttributeError, RuntimeError, LookupError)


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
    return _frozen(_made(arch, lambda: kind(**config), device))


def build_visual(arch: Architecture, device: str = "cpu") -> nn.Module:
    """The image encoder alone, as `build(arch, device).visual` would be; needs no text tower that can be built."""
    return _encoder(arch, device)[0]


def build_classifier(arch: Architecture, classes: int) -> nn.Module:
    """The library's own classifier for so many classes, on device "meta"; raises `BadSuite` as `build` does."""
    return _made(arch, lambda: family(arch).model(arch, classes), "meta")


class Outline(NamedTuple):
    """What is known of an image encoder before any weights are."""

    parameters: dict[str, tuple[int, ...]]
    """Name -> shape."""
    buffers: tuple[str, ...]
    """Those that checkpoints hold."""
    head: str
    """The linear layer that was taken out; empty for CLIP, which has none."""
    width: int
    """Of its features."""


def outline(arch: Architecture) -> Outline:
    """The outline of an architecture's image encoder.

    Remembered for each release of what builds it, which takes seconds to import. Raises `BadSuite` as `build` does.
    """

    own = family(arch)

    def built() -> dict[str, Any]:
        visual, head = _encoder(arch, "meta")
        stored = [name for name, _ in visual.named_buffers() if name not in _not_stored(visual)]
        width = _made(arch, lambda: own.features(visual(torch.zeros(1, 3, *arch.input_size))).shape[-1], "meta")
        shapes = {name: list(p.shape) for name, p in visual.named_parameters()}
        return {"parameters": shapes, "buffers": stored, "head": head, "width": width}

    key = remembered.key([arch.family, arch.config, arch.size, str(torch.__version__), *own.versions()])
    found = remembered.value(paths.cache() / "encoders" / f"{key}.json", key, built)
    shapes = {name: tuple(shape) for name, shape in found["parameters"].items()}
    return Outline(shapes, tuple(found["buffers"]), found["head"], found["width"])


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


def _encoder(arch: Architecture, device: str) -> tuple[nn.Module, str]:
    """The image encoder and the name of the head it came with."""
    make = family(arch).encoder
    try:
        visual, head = _made(arch, lambda: make(arch), device)
    except NotImplementedError:  # It computes with numbers that meta tensors do not have.
        with _ParametersUntouched():
            visual, head = _made(arch, lambda: make(arch), "cpu")
        visual.to(device)
    return _frozen(visual), head


def _frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def _made(arch: Architecture, make: Callable[[], T], device: str) -> T:
    try:
        with torch.device(device), _ParametersUntouched() if device == "meta" else nullcontext():
            return make()
    except NotImplementedError:
        raise
    except _UNBUILDABLE as error:
        found = str(error).partition("\n")[0].rstrip(".")
        raise BadSuite(f"`{arch.name}` is not a usable configuration of {arch.family}: {found}.") from None
