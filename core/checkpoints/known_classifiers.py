"""From names and shapes to architectures of image classifiers: those that people fine-tune most."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from core.checkpoints.source import TensorEntry
from core.errors import BadSuite

TORCHVISION = (
    "resnet18", "resnet34", "resnet50", "resnet101", "vit_b_16", "vit_b_32", "vit_l_16", "convnext_tiny",
    "convnext_small", "convnext_base", "swin_t", "swin_s", "swin_b", "swin_v2_t", "efficientnet_b0",
    "efficientnet_v2_s", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "densenet121", "vgg16",
    "regnet_y_400mf",
)  # fmt: skip
TIMM = (
    *(f"vit_{size}_patch16_224" for size in ("tiny", "small", "base", "large")), "vit_small_patch32_224",
    "vit_base_patch32_224", "vit_small_patch14_dinov2", "vit_base_patch14_dinov2", "deit3_small_patch16_224",
    "deit3_base_patch16_224", "beitv2_base_patch16_224", "eva02_base_patch14_224", "swin_tiny_patch4_window7_224",
    "swin_base_patch4_window7_224", "convnext_tiny", "convnext_base", "convnextv2_tiny", "efficientnet_b0",
    "tf_efficientnetv2_s", "mobilenetv3_large_100", "resnet50", "resnet50d",
)  # fmt: skip
CANDIDATES = (*(f"torchvision:{name}" for name in TORCHVISION), *(f"timm:{name}" for name in TIMM))
"""Others are named by the person. All together are built without weights in seconds, and remembered."""


def fitting(table: Mapping[str, TensorEntry]) -> tuple[str, ...]:
    """What `arch` of a suite may say for a file with these tensors, under any prefix; likeliest first.

    ResNets have the same names in both libraries, which prepare images differently: torchvision's come first.
    """
    return _fitting(tuple(sorted((name, entry.shape) for name, entry in table.items())))


@lru_cache(maxsize=64)
def _fitting(table: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[str, ...]:
    from core.encoders.building import outline
    from core.encoders.family import architecture

    shapes, found = dict(table), []
    for candidate in CANDIDATES:
        try:
            parameters = outline(architecture(candidate)).parameters
        except BadSuite:  # This release of the library has it no more.
            continue
        first = next(iter(parameters))
        prefixes = {name.removesuffix(first) for name in shapes if f".{name}".endswith(f".{first}")}
        if any(all(shapes.get(prefix + name) == shape for name, shape in parameters.items()) for prefix in prefixes):
            found.append(candidate)
    return tuple(found)
