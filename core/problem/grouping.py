"""Which parameter tensors share one row of λ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

GroupKind = Literal["task", "block", "tensor"]

_BLOCK = re.compile(r"(?<![a-z])(?:resblocks|blocks|layers|stages|layer)\.?(\d+(?:\.blocks\.\d+)?)\b")
_OUTPUT = re.compile(r"(ln_post|proj\b|head|norm\b|attn_pool|attnpool|trunk\.(norm|head|fc_norm|attn_pool|final_conv))")
_NUMBERED = re.compile(r"(?!norm|conv|fc|bn|ln|linear|branch)[a-z_]*?_?(\d[\d-]*)")
"""Parts of names by which other libraries number their blocks: `3`, `s1`, `encoder_layer_0`, `denseblock2`."""
_LAST = {"norm", "fc_norm", "layernorm", "ln", "post_layernorm", "pooler", "head", "conv_head", "classifier", "norm5"}
_FIRST = ("stem", "embed", "pre")
_PATCHES = ("trunk.patch_embed.", "patch_embed.")


@dataclass(frozen=True)
class Grouping:
    """Rows of λ and the row of each parameter tensor."""

    groups: tuple[str, ...]
    row_of: tuple[int, ...]
    """Index into `groups`, one for each parameter tensor, in the order of the names given to `group`."""


def block_of(name: str) -> str:
    """The block a tensor belongs to: `block 3`, or `embedding` before and `output` after the transformer's blocks."""
    if name.startswith(_PATCHES):  # Some have blocks of their own in there.
        return "embedding"
    if found := _BLOCK.search(name):
        return f"block {found.group(1)}"
    if _OUTPUT.match(name):
        return "output"
    parts = name.split(".")[:-1]
    if _LAST & {*parts}:
        return "output"
    if any(word in name for word in _FIRST):
        return "embedding"
    numbers = [found and found.group(1) for found in map(_NUMBERED.fullmatch, parts)]
    first = next((at for at, number in enumerate(numbers) if number), len(numbers))
    inner = [number for number in takewhile(bool, numbers[first : first + 2]) if number]
    return f"block {'.'.join(inner)}" if inner else "embedding"


def by_depth(blocks: Iterable[str]) -> list[str]:
    """Each block once, from input to output; a model's parameters need not come in that order (`proj` comes early)."""
    ends = {"embedding": 0, "output": 2}
    return sorted(dict.fromkeys(blocks), key=lambda one: (ends.get(one, 1), list(map(int, re.findall(r"\d+", one)))))


def group(names: Sequence[str], kind: GroupKind) -> Grouping:
    """Group parameter tensors: all in one row (`task`), one row per block (`block`), or one per tensor (`tensor`).

    `tensor` is what the AdaMerging paper calls layer-wise, `task` what it calls task-wise.
    """
    each = [{"task": "all", "block": block_of(name), "tensor": name}[kind] for name in names]
    groups = tuple(by_depth(each) if kind == "block" else dict.fromkeys(each))
    index = {label: row for row, label in enumerate(groups)}
    return Grouping(groups, tuple(index[label] for label in each))
