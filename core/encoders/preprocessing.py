"""How images and texts become a model's input: open_clip's own resizing, normalisation on the device, and tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from itertools import takewhile

import PIL
import torch
from PIL import Image
from torch import Tensor, nn

from core.encoders.models import Architecture
from core.errors import BadSuite
from core.files import sha256
from core.tasks.decode import Fitting

Tokenizer = Callable[[Sequence[str]], Tensor]
"""Texts -> tokens int64 `[N, context]`."""
ROUNDING_DOWN = "transformers"
"""The library that cuts out the centre half a pixel further up and left, where the others round to the even number."""


def fitting(arch: Architecture) -> Fitting:
    """Resizing and cutting out on decoded pictures, exactly as the family's own preprocessing for evaluation does it.

    For open_clip the same objects: all of `open_clip.transform.image_transform` before the conversion to a tensor.
    """
    return Fitting(arch.input_size, cache(partial(_steps, arch)))


def _steps(arch: Architecture) -> tuple[Callable[[Image.Image], Image.Image], str]:
    # Imported when pictures are decoded: what is in memory or cached at its size need not wait for it.
    import torchvision

    steps, own = _of_open_clip(arch) if arch.zero_shot else (_of_classifiers(arch), "")

    def apply(picture: Image.Image) -> Image.Image:
        for step in steps:
            picture = step(picture)
        return picture

    versions = f"{own}torchvision {torchvision.__version__} Pillow {PIL.__version__}"
    mode = arch.resize_mode if arch.resized is None else f"{arch.resize_mode} {arch.resized}"
    mode += " rounded down" if arch.family == ROUNDING_DOWN else ""
    return apply, f"{mode} {arch.interpolation} {versions}"


def _of_open_clip(arch: Architecture) -> tuple[list[Callable[[Image.Image], Image.Image]], str]:
    import open_clip
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torchvision.transforms import ToTensor

    settings = PreprocessCfg(size=arch.input_size, interpolation=arch.interpolation, resize_mode=arch.resize_mode)
    steps = takewhile(lambda step: not isinstance(step, ToTensor), image_transform_v2(settings, False).transforms)
    return list(steps), f"open_clip {open_clip.__version__} "


def _of_classifiers(arch: Architecture) -> list[Callable[[Image.Image], Image.Image]]:
    """As timm, torchvision and transformers prepare images: resized, and the centre cut out."""
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    height, width = arch.input_size
    centre = CenterCrop((height, width)) if arch.family != ROUNDING_DOWN else partial(_centre, height, width)
    side = (height, width) if arch.resize_mode == "squash" else arch.resized or max(height, width)
    return [
        lambda one: one.convert("RGB"),
        Resize(side, InterpolationMode(arch.interpolation)),
        centre,
    ]


def _centre(height: int, width: int, picture: Image.Image) -> Image.Image:
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def normalise(arch: Architecture, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 `[N, H, W, 3]` -> `dtype` `[N, 3, S, S]` on the same device, normalised per channel.

    Images of another size are resized with antialiased interpolation on the device: up to a rounding step of 1/255 what
    open_clip does with pictures. The shorter side is brought to S and the centre cut out; where the architecture
    squashes, both sides are.
    """
    x = images.permute(0, 3, 1, 2).to(dtype) / 255
    wanted, found = arch.input_size, (x.shape[-2], x.shape[-1])
    if found != wanted:
        scale = max(wanted[0] / found[0], wanted[1] / found[1])
        if arch.resized is not None:
            scale = arch.resized / min(found)
        resized = wanted
        if arch.resize_mode != "squash":
            resized = (max(wanted[0], round(found[0] * scale)), max(wanted[1], round(found[1] * scale)))
        if resized != found:
            x = nn.functional.interpolate(x, size=resized, mode=arch.interpolation, antialias=True).clamp(0, 1)
    top, left = (x.shape[-2] - wanted[0]) // 2, (x.shape[-1] - wanted[1]) // 2
    x = x[..., top : top + wanted[0], left : left + wanted[1]]
    return (x - _per_channel(arch.mean, dtype, x.device)) / _per_channel(arch.std, dtype, x.device)


@lru_cache(maxsize=8)
def _per_channel(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Kept: a copy to a GPU makes the host wait for all that was asked of it before."""
    return torch.tensor(values, dtype=dtype, device=device).view(1, 3, 1, 1)


def tokenizer(arch: Architecture) -> Tokenizer:
    """CLIP's own tokenizer, or the architecture's from its folder or from what the hub library has on disk.

    Raises `BadSuite` where that is not there.
    """
    text = arch.config["text_cfg"]
    length = text.get("context_length", 77)
    name = text.get("hf_tokenizer_name")
    if not name:
        return _own(length)
    from open_clip.tokenizer import HFTokenizer  # Not needed where all heads are cached; so below.

    options = dict(text.get("tokenizer_kwargs") or {})
    try:
        found: Tokenizer = HFTokenizer(
            str(arch.tokenizer or name), context_length=length, local_files_only=True, **options
        )
    except (OSError, ValueError, ImportError, TypeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise BadSuite(
            f"`{arch.name}` needs the tokenizer `{name}`, which should be on this machine. Found: {reason}. Install "
            "`transformers`, put the tokenizer's files into a folder and name it as `tokenizer` of the base, or give "
            "each task a ready `head`."
        ) from None
    return found


@cache  # Sorting its vocabulary takes longer than all that it is asked.
def _own(length: int) -> Tokenizer:
    from open_clip.tokenizer import SimpleTokenizer

    own: Tokenizer = SimpleTokenizer(context_length=length)
    return own


def identity(arch: Architecture) -> str:
    """Says which tokenizer it is: hashes of the files in the architecture's folder; empty without one."""
    if arch.tokenizer is None:
        return ""
    files = sorted(file for file in arch.tokenizer.iterdir() if file.is_file())
    return " ".join(f"{file.name} {sha256(file)}" for file in files)
