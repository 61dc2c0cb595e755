"""Linear heads that were trained: found by their shape, in a file of their own or beside an encoder."""

from __future__ import annotations

from collections.abc import Mapping

from core.checkpoints.classifiers import HEAD
from core.checkpoints.heads import heads, layers
from core.checkpoints.layouts import Kind
from core.checkpoints.opening import Opened
from core.checkpoints.source import TensorEntry
from core.errors import BadCheckpoint
from core.lazily import torch

SHOWN = 6


def _before(table: Mapping[str, TensorEntry], head: str, width: int) -> str | None:
    """The weight of another layer (a norm, one of several linear ones) whose output a head would take."""
    others = (name for name in table if name != head and name.rpartition(".")[2] == "weight")
    return next((name for name in others if table[name].shape[:1] == (width,)), None)


def trained_head(opened: Opened, classes: int, width: int, key: str | None = None) -> torch.Tensor:
    """The head for so many classes on features of this width, `[classes, width]` float32; `[classes, width + 1]` with
    its bias in the last column, unless that is 0.

    In a file with an encoder, what belongs to that is left out. `key` says which, where there are several: the name of
    its module or weight. Raises `BadCheckpoint` where there is none, or several.
    """
    table, known = opened.source.table, opened.layout.recipes.get(f"{HEAD}weight")
    if known is not None:
        found = {name: layer for name, layer in layers(table).items() if layer[0] == known.parts[0]}
    else:
        found = heads(opened) or layers(table)
    if key is not None:
        found = {name: layer for name, layer in found.items() if key in (name, layer[0])}
    fit = {name: layer for name, layer in found.items() if table[layer[0]].shape == (classes, width)}
    if len(fit) != 1:
        file = opened.path.name
        listed = [weight for weight, _ in (fit or found).values()]
        shown = ", ".join(f"`{name}` {list(table[name].shape)}" for name in listed[:SHOWN])
        more = ", …" if len(listed) > SHOWN else ""
        told = f"Found {shown}{more}." if shown else f"Found {opened.layout.name}."
        remedy = " Say which: `head: {weights: FILE, key: NAME}`." if len(fit) > 1 else ""
        raise BadCheckpoint(
            f"`{file}` should hold one head of shape {[classes, width]} [classes, width]. {told}{remedy}"
        )
    [(name, bias)] = fit.values()
    if key is None and opened.layout.kind in (Kind.HEAD, Kind.UNKNOWN) and (before := _before(table, name, width)):
        raise BadCheckpoint(
            f"`{opened.path.name}` should hold one linear layer. Found `{before}` {list(table[before].shape)} before "
            f"`{name}`. Give a head of one layer, or name it with `key` where the others are not part of it."
        )
    if bias is not None and table[bias].shape != (classes,):
        raise BadCheckpoint(
            f"`{opened.path.name}`: the bias `{bias}` of the head should have shape {[classes]}. Found "
            f"{list(table[bias].shape)}. Give the bias that was trained with `{name}`, or a head without one."
        )
    read = dict(opened.source.read([name] if bias is None else [name, bias]))
    for tensor in read.values():
        if not torch.isfinite(tensor.float()).all():
            raise BadCheckpoint(f"`{opened.path.name}`: the head `{name}` holds NaN or infinite values.")
    head = read[name].float()
    if bias is not None and read[bias].any():
        head = torch.cat([head, read[bias].float()[:, None]], dim=1)
    return head.contiguous()
