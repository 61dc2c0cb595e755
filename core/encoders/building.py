"""Models built without their weights: the image encoder that is merged, and CLIP with its text tower."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core import paths, remembered
from core.encoders.family import family
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
    return _made(arch, lambda: family(arch).encoder(arch)[0], device)


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
        head = ""

        def make() -> nn.Module:
            nonlocal head
            visual, head = own.encoder(arch)
            return visual

        visual = _made(arch, make, "meta")
        stored = [name for name, _ in visual.named_buffers() if name not in _not_stored(visual)]
        size = arch.input_size
        with torch.no_grad():
            width = own.features(visual(torch.zeros(1, 3, *size, device="meta"))).shape[-1]
        shapes = {name: list(p.shape) for name, p in visual.named_parameters()}
        return {"parameters": shapes, "buffers": stored, "head": head, "width": width}

    key = remembered.key([arch.family, arch.config, str(torch.__version__), *own.versions()])
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


def _made(arch: Architecture, make: Callable[[], nn.Module], device: str) -> nn.Module:
    try:
        with torch.device(device), _ParametersUntouched() if device == "meta" else nullcontext():
            model = make()
    except _UNBUILDABLE as error:
        found = str(error).partition("\n")[0]
        raise BadSuite(f"`{arch.name}` is not a usable configuration of {arch.family}: {found}.") from None
    return model.eval().requires_grad_(False)
