"""The columns of a λ heatmap: parameter tensors (or groups of them) in the order of depth, with block and kind.

Pure text work on names; the stored order of λ's rows is whatever the checkpoint had (`proj` comes before the blocks).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from core.problem.grouping import block_of, by_depth

_KIND_RULES = (
    ("LayerNorm", re.compile(r"(^|[._])(ln|norm|layer_?norm|bn)(\d|_|\.|$)", re.IGNORECASE)),
    ("attention", re.compile(r"attn|attention|\bls_?1\b", re.IGNORECASE)),
    ("MLP", re.compile(r"mlp|\bc_fc\b|\bfc\d|feed_?forward|\bls_?2\b", re.IGNORECASE)),
    # Only inside blocks: before them, a convolution cuts the image into patches.
    ("convolution", re.compile(r"conv|downsample|gamma|layer_?scale|token_mixer|\bse\b|pos_emb|stages", re.IGNORECASE)),
    ("embedding", re.compile(r"embed|^conv\d|patch|cls_token|pos_|stem|^bn", re.IGNORECASE)),
    ("projection", re.compile(r"proj|head|^fc\b|final_conv", re.IGNORECASE)),
)
_INSIDE = "convolution"
_SHORT = (
    (re.compile(r"^.*?(?:resblocks|blocks|layers|stages|layer)\.\d+(?:\.blocks\.\d+)?\."), ""),
    (re.compile(r"attn\.(?:in_proj_|qkv\.)"), "qkv "),
    (re.compile(r"attn\.(?:out_)?proj\."), "out "),
    (re.compile(r"mlp\.(?:c_fc|fc1)\."), "fc "),
    (re.compile(r"mlp\.(?:c_proj|fc2)\."), "proj "),
    (re.compile(r"[._](weight|bias)$"), r" \1"),
)


@dataclass(frozen=True)
class MapColumn:
    """One row of the stored λ, as a column of the picture."""

    name: str
    """The group's name as stored."""
    label: str
    """Short: `qkv weight`; unique only together with the block."""
    block: str
    """`embedding`, `block 3`, `output`, or `all` where every tensor shares one λ."""
    kind: str
    """One of those that `palette` has a colour for; `mixed` where a group holds several."""
    row: int
    """Index into the stored λ."""


def kind_of(name: str) -> str:
    """What sort of tensor a name stands for: one of those that `palette` has a colour for."""
    if is_group(name):
        return "mixed"
    rules = _KIND_RULES if block_of(name).startswith("block ") else (rule for rule in _KIND_RULES if rule[0] != _INSIDE)
    return next((kind for kind, rule in rules if rule.search(name)), "mixed")


def is_group(name: str) -> bool:
    """True for the names that `core.problem.grouping` gives to groups of tensors."""
    return name in {"all", "embedding", "output"} or re.fullmatch(r"block \S+", name) is not None


@lru_cache(64)
def arrange(groups: tuple[str, ...]) -> tuple[MapColumn, ...]:
    """The columns of λ's groups in the order of depth: embedding, blocks, output.

    Inside a block they stand as stored, projections last.
    """
    columns = [_column(name, row) for row, name in enumerate(groups)]
    depth = {block: at for at, block in enumerate(by_depth(column.block for column in columns))}
    return tuple(sorted(columns, key=lambda one: (depth[one.block], one.kind == "projection", one.row)))


def _column(name: str, row: int) -> MapColumn:
    if is_group(name):
        return MapColumn(name, name, name, "mixed", row)
    label = name
    for pattern, replacement in _SHORT:
        label = pattern.sub(replacement, label)
    return MapColumn(name, label, block_of(name), kind_of(name), row)
