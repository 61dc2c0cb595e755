"""How images become a model's input: open_clip's own resizing, and normalisation on the device."""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile

import PIL
import torch
from PIL import Image
from torch import Tensor, nn

from core.encoders.models import Architecture
from core.tasks.decode import Fitting


def fitting(arch: Architecture) -> Fitting:
    """Resizing and cutting out on decoded pictures, exactly as open_clip's preprocessing for evaluation does it.

    The same objects: everything of `open_clip.transform.image_transform` before the conversion to a tensor.
    """
    # Imported when a suite is loaded: lists and the first page need not wait for it.
    import open_clip
    import torchvision
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torchvision.transforms import ToTensor

    settings = PreprocessCfg(size=arch.input_size, interpolation=arch.interpolation, resize_mode=arch.resize_mode)
    steps = list(takewhile(lambda step: not isinstance(step, ToTensor), image_transform_v2(settings, False).transforms))

    def apply(picture: Image.Image) -> Image.Image:
        for step in steps:
            picture = step(picture)
        return picture

    versions = f"open_clip {open_clip.__version__} torchvision {torchvision.__version__} Pillow {PIL.__version__}"
    return Fitting(arch.input_size, apply, f"{arch.resize_mode} {arch.interpolation} {versions}")


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
