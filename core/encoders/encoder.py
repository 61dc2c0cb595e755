"""The image encoder as a function of its weights, and what it costs on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call

from core.encoders.attention import pack
from core.encoders.building import build_visual, computed_buffers, outline
from core.encoders.family import family
from core.encoders.models import Architecture
from core.encoders.preprocessing import normalise

ACTIVATIONS = 256 * 2**20
"""Bytes of saved activations that a micro-batch may take on the CPU, whose caches are small."""
SHARE = 0.5
"""Share of a GPU's free memory that they may take there: the more images, the less each costs."""


class Encoder:
    """Calls the image encoder of an architecture with weights given at each call; holds none itself."""

    def __init__(self, arch: Architecture, device: torch.device, precision: str) -> None:
        self.arch, self.device, self.precision = arch, device, precision
        self._tick: Callable[[], None] = lambda: None
        self.parameter_shapes, self.buffer_names, _, self.width = outline(arch)
        """Name -> shape; the buffers that checkpoints hold, such as the statistics of BatchNorm; width of features."""
        self._family = family(arch)

    @cached_property
    def _visual(self) -> nn.Module:
        """Built when first called: what only compares weights need not wait for open_clip."""
        visual = build_visual(self.arch, device="meta")
        pack(visual)
        for module in visual.modules():
            if isinstance(module, (nn.ModuleList, nn.Sequential)):
                for block in module:
                    block.register_forward_pre_hook(self._before_block)
        return visual

    @cached_property
    def _computed(self) -> dict[str, Tensor]:
        return {name: buffer.to(self.device) for name, buffer in computed_buffers(self.arch, self._visual).items()}

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 `[N, H, W, 3]` -> normalised `[N, 3, S, S]` on the encoder's device."""
        dtype = torch.float64 if self.precision == "float64" else torch.float32
        return normalise(self.arch, self.near(images), dtype)

    def near(self, tensor: Tensor) -> Tensor:
        """The tensor on the encoder's device; from pinned memory it comes while the host goes on."""
        return tensor.to(self.device, non_blocking=self.device.type == "cuda")

    def features(self, weights: Mapping[str, Tensor], prepared: Tensor) -> Tensor:
        """Image features `[N, width]` (float32, or float64) as heads take them, differentiable in the weights."""
        with self._autocast():
            output = functional_call(self._visual, self._computed | dict(weights), (prepared,))
        features = self._family.features(output)
        return self.scaled(features if features.dtype == torch.float64 else features.float())

    def scaled(self, features: Tensor) -> Tensor:
        """Features as heads take them: those of CLIP are normalised, those of a classifier are as they are."""
        return nn.functional.normalize(features, dim=-1) if self.arch.zero_shot else features

    @contextmanager
    def ticking(self, tick: Callable[[], None]) -> Iterator[None]:
        """Inside, `tick` is called before every block of a forward pass, and what it raises ends the pass."""
        before, self._tick = self._tick, tick
        try:
            yield
        finally:
            self._tick = before

    def _before_block(self, *_: object) -> None:
        self._tick()

    def with_precision(self, precision: str) -> Encoder:
        """The same encoder computing in another precision."""
        return Encoder(self.arch, self.device, precision)

    def _autocast(self) -> AbstractContextManager[None]:
        if self.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def activation_bytes(encoder: Encoder, weights: Mapping[str, Tensor], images: Tensor) -> int:
    """Bytes that one image's forward pass saves for the backward pass, weights not counted."""
    leaves = {n: w.detach().requires_grad_(n in encoder.parameter_shapes) for n, w in weights.items()}
    owned = {w.untyped_storage().data_ptr() for w in leaves.values()}
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # With its graph, an output that its own node saves would keep all of it alive.

    pair = encoder.prepare(images[:1].expand(2, *images.shape[1:]))
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        single = _total(lambda: encoder.features(leaves, pair[:1]), saved)
        double = _total(lambda: encoder.features(leaves, pair), saved)
    # The difference of two and one image leaves out what does not grow with images, such as autocast's weight copies.
    return max(double - single, 1)


def _total(forward: Callable[[], Tensor], saved: dict[int, int]) -> int:
    saved.clear()
    result = forward()  # Kept alive while counting, so that no address is used twice.
    total = sum(saved.values())
    del result
    return total


def micro_batch_for(encoder: Encoder, weights: Mapping[str, Tensor], images: Tensor) -> int:
    """How many images to push through at once: as many as `activation_room` holds, 4 to 1,024.

    On a GPU a power of two, so that a little more or less free memory does not change the last bits of results.
    """
    room = activation_room(encoder.device)
    size = int(min(max(room // activation_bytes(encoder, weights, images), 4), 1024))
    return size if encoder.device.type == "cpu" else 2 ** (size.bit_length() - 1)


def activation_room(device: torch.device) -> int:
    """Bytes of saved activations that a micro-batch may take."""
    return int(SHARE * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else ACTIVATIONS
