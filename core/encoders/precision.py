"""Which device and precision to compute with; `auto` measures what is faster for the model at hand."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from core import remembered
from core.encoders.encoder import Encoder
from core.errors import BadInput, UnknownName

PRECISIONS = ("auto", "float32", "bfloat16", "float64")
MARGIN = 1.2
"""bfloat16 must be this much faster to be chosen, so that the choice does not flip with the machine's noise."""
ROUNDS = 3
CLEAR = 2.0
"""A ratio after which no further round is needed."""


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` takes CUDA, then MPS, then the CPU. Raises `BadInput` where it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError("a device that Mergescope does not compute on")
        torch.zeros(1, device=device)
        torch.backends.cudnn.allow_tf32 = False  # PyTorch's default would compute convolutions alone in ten bits.
    except (RuntimeError, AssertionError) as error:
        raise BadInput(
            f"`device` should be auto, cpu, cuda, cuda:N or mps, and present. "
            f"Found `{name}`: {str(error).splitlines()[0]}"
        ) from None
    return device


def devices(name: str) -> tuple[str, ...]:
    """The devices that a run asked for `name` may take: of several GPUs each, unless one was named. Raises as above."""
    found = choose_device(name)
    if str(found) == "cuda" and (count := torch.cuda.device_count()) > 1:
        return tuple(f"cuda:{index}" for index in range(count))
    return (str(found),)


class Chosen(NamedTuple):
    """A precision, and why it was chosen; empty for one that was asked for."""

    name: str
    reason: str = ""

    @staticmethod
    def by(ratio: float) -> Chosen:
        """The faster one, where float32 takes `ratio` times as long as bfloat16."""
        name = "bfloat16" if ratio > MARGIN else "float32"
        if ratio == 0:
            return Chosen(name, "bfloat16 does not run here")
        if 1 < ratio <= MARGIN:
            return Chosen(name, "bfloat16 is hardly faster here")
        longer, other = ("float32", "bfloat16") if ratio > 1 else ("bfloat16", "float32")
        return Chosen(name, f"{longer} takes {max(ratio, 1 / ratio):.1f} times as long as {other} here")


def choose_precision(name: str, encoder: Encoder, weights: Mapping[str, Tensor], images: Tensor, cache: Path) -> Chosen:
    """`name` itself, or for `auto` the faster of float32 and bfloat16 autocast in a forward and backward pass.

    The measurement takes two to four passes each over up to 8 images (64 on a GPU) and is remembered in `cache` for
    this model and machine.
    """
    if name not in PRECISIONS:
        raise UnknownName("precision", name, PRECISIONS)
    if name == "float64" and encoder.device.type == "mps":
        raise BadInput("`precision` should be auto, float32 or bfloat16 on MPS. Found float64, which it lacks.")
    if name != "auto":
        return Chosen(name)
    file = cache / "precision.json"
    known = remembered.recall(file, _ratios) or {}
    key = _key(encoder)
    if key not in known:
        few = images[:8]
        # Eight images keep no GPU busy: what is timed would be the host's calls, and those are more in bfloat16.
        known[key] = _ratio(encoder, weights, few if encoder.device.type == "cpu" else few.repeat(8, 1, 1, 1))
        remembered.keep(file, known)
    return Chosen.by(known[key])


def _key(encoder: Encoder) -> str:
    device = torch.cuda.get_device_name(encoder.device) if encoder.device.type == "cuda" else platform.processor()
    machine = [device, platform.machine(), str(torch.__version__), torch.get_num_threads()]
    return remembered.key([encoder.arch.config, encoder.device.type, *machine])


def _ratios(known: Any) -> dict[str, float]:
    return {k: v for k, v in dict(known).items() if isinstance(v, float)}


def _ratio(encoder: Encoder, weights: Mapping[str, Tensor], images: Tensor) -> float:
    """How many times as long float32 takes as bfloat16, by the best of up to three rounds after one to warm up; in
    turns, so that a busy machine slows both down."""
    encoders = {precision: encoder.with_precision(precision) for precision in ("float32", "bfloat16")}
    best = dict.fromkeys(encoders, math.inf)
    for turn in range(1 + ROUNDS):
        for precision, candidate in encoders.items():
            seconds = _seconds(candidate, weights, images)
            best[precision] = min(best[precision], seconds if turn else math.inf)
        if turn and not CLEAR > best["float32"] / best["bfloat16"] > 1 / CLEAR:
            break
    return round(best["float32"] / best["bfloat16"], 3)


def _seconds(encoder: Encoder, weights: Mapping[str, Tensor], images: Tensor) -> float:
    """Seconds of one forward and backward pass; infinite where it does not run at all."""
    leaves = {n: w.detach().requires_grad_(n in encoder.parameter_shapes) for n, w in weights.items()}
    trained = [leaf for leaf in leaves.values() if leaf.requires_grad]
    prepared = encoder.prepare(images)
    begin = time.perf_counter()
    try:
        gradients = torch.autograd.grad(encoder.features(leaves, prepared).sum(), trained)
        gradients[0].sum().item()  # Waits for the device.
    except RuntimeError:
        return math.inf
    return time.perf_counter() - begin
