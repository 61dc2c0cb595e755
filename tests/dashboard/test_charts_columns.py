"""Names of tensors become columns in the order of depth, with block and kind."""

from __future__ import annotations

from itertools import groupby

import pytest

from core.encoders.building import build_visual
from core.encoders.family import architecture
from core.problem.grouping import group
from dashboard.charts import palette
from dashboard.charts.columns import arrange, kind_of
from tests.dashboard.synthetic import tensor_names


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("class_embedding", "embedding"),
        ("positional_embedding", "embedding"),
        ("conv1.weight", "embedding"),
        ("ln_pre.weight", "LayerNorm"),
        ("transformer.resblocks.3.ln_2.bias", "LayerNorm"),
        ("transformer.resblocks.3.attn.in_proj_weight", "attention"),
        ("transformer.resblocks.3.attn.out_proj.bias", "attention"),
        ("transformer.resblocks.3.mlp.c_proj.weight", "MLP"),
        ("proj", "projection"),
        ("layer1.0.conv1.weight", "convolution"),
        ("layer1.0.bn1.weight", "LayerNorm"),
        ("trunk.stages.2.blocks.3.conv_dw.weight", "convolution"),
        ("trunk.blocks.4.attn.qkv.weight", "attention"),
        ("trunk.patch_embed.proj.weight", "embedding"),
        ("block 3", "mixed"),
        ("all", "mixed"),
    ],
)
def test_kind_of_a_tensor(name, kind) -> None:
    assert kind_of(name) == kind


@pytest.mark.grid
@pytest.mark.parametrize(
    "tower", ["ViT-B-16-SigLIP", "EVA02-B-16", "convnext_base_w", "RN50", "MobileCLIP-S1", "coca_ViT-B-32", "ViTamin-S"]
)
def test_every_tensor_of_every_tower_is_of_some_kind(tower) -> None:
    names = [name for name, _ in build_visual(architecture(tower), "meta").named_parameters()]
    assert {kind_of(name) for name in names} <= set(palette.LIGHT.kinds) - {"mixed"}
    assert {"embedding", "LayerNorm"} <= {kind_of(name) for name in names}


def test_columns_go_from_input_to_output_whatever_the_stored_order() -> None:
    names = tensor_names(11)
    for stored in (names, tuple(reversed(names))):
        columns = arrange(stored)
        assert [block for block, _ in groupby(column.block for column in columns)] == [
            "embedding",
            *(f"block {i}" for i in range(11)),
            "output",
        ]
        assert columns[-1].name == "proj"
        assert all(stored[column.row] == column.name for column in columns)


def test_columns_of_one_block_can_be_told_apart_by_their_short_names() -> None:
    columns = arrange(tensor_names(2))
    assert len({(column.block, column.label) for column in columns}) == len(columns)


def test_timms_layers_have_the_short_names_of_open_clips() -> None:
    stored = ("attn.qkv.weight", "attn.proj.bias", "mlp.fc1.weight", "mlp.fc2.bias")
    labels = [column.label for column in arrange(tuple(f"blocks.1.{name}" for name in stored))]
    assert labels == ["qkv weight", "out bias", "fc weight", "proj bias"]


@pytest.mark.parametrize("kind", ["block", "task"])
def test_groups_of_the_engine_are_columns_of_their_own(kind) -> None:
    groups = group(tensor_names(3), kind).groups
    assert [column.name for column in arrange(groups)] == [column.block for column in arrange(groups)]
    assert {column.kind for column in arrange(groups)} == {"mixed"}
