"""Which tensors share λ, for the towers of open_clip."""

from __future__ import annotations

import open_clip
import pytest
import torch

from core.problem.grouping import block_of, group


def names_of(config: str) -> list[str]:
    """Parameter names of an image encoder, without its weights."""
    with torch.device("meta"):
        visual = open_clip.CLIP(**open_clip.get_model_config(config)).visual
    return [name for name, _ in visual.named_parameters()]


def test_vit_b_32_has_152_tensors_14_blocks_and_one_task() -> None:
    """152: ALGORITHMS.md; 12 transformer blocks, what comes before and what comes after them."""
    names = names_of("ViT-B-32")
    assert len(group(names, "tensor").groups) == len(names) == 152
    assert group(names, "block").groups == ("embedding", *(f"block {i}" for i in range(12)), "output")
    assert group(names, "task").groups == ("all",)


@pytest.mark.parametrize("kind", ["task", "block", "tensor"])
def test_rows_follow_the_names(kind: str) -> None:
    names = names_of("ViT-B-32")
    found = group(names, kind)  # type: ignore[arg-type]
    assert len(found.row_of) == len(names)
    assert set(found.row_of) == set(range(len(found.groups)))
    if kind == "tensor":
        assert found.groups == tuple(names)
        assert found.row_of == tuple(range(len(names)))


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("class_embedding", "embedding"),
        ("positional_embedding", "embedding"),
        ("conv1.weight", "embedding"),
        ("ln_pre.weight", "embedding"),
        ("transformer.resblocks.0.ln_1.weight", "block 0"),
        ("transformer.resblocks.1.attn.in_proj_weight", "block 1"),
        ("transformer.resblocks.10.mlp.c_proj.bias", "block 10"),
        ("transformer.resblocks.23.ls_1.gamma", "block 23"),
        ("ln_post.bias", "output"),
        ("proj", "output"),
        ("layer3.0.conv1.weight", "block 3"),
        ("attnpool.k_proj.weight", "output"),
        ("trunk.stages.2.blocks.11.norm.weight", "block 2.blocks.11"),
        ("trunk.blocks.7.attn.qkv.weight", "block 7"),
        ("trunk.norm.weight", "output"),
        ("trunk.patch_embed.proj.weight", "embedding"),
        ("head.proj.weight", "output"),
    ],
)
def test_each_tensor_belongs_to_its_block(name: str, block: str) -> None:
    assert block_of(name) == block


def test_a_resnet_has_blocks_too() -> None:
    groups = group(names_of("RN50"), "block").groups
    assert groups == ("embedding", "block 1", "block 2", "block 3", "block 4", "output")


def test_blocks_go_from_input_to_output_whatever_the_order_of_parameters() -> None:
    """open_clip's `proj` comes before the blocks; a chart of λ by depth needs it last."""
    found = group(["b.resblocks.10.w", "proj", "a", "b.resblocks.2.w", "b.resblocks.10.b"], "block")
    assert found.groups == ("embedding", "block 2", "block 10", "output")
    assert found.row_of == (2, 3, 0, 1, 2)
