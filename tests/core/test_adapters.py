"""Adapters of open_clip's models, and of others by their own names: what is merged equals what PEFT itself merges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from core.checkpoints import load_expert, load_text_tower, open_checkpoint
from core.checkpoints.lora import Adapter
from core.errors import BadCheckpoint
from tests.core.adapters import copied, merges, same, saved
from tests.core.checkpoint_files import clip, hugging_face

pytestmark = [
    pytest.mark.slow,  # Importing peft takes seconds, which is also why it is done late.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

BLOCKS = ["c_fc", "c_proj"]
OPEN_CLIP: dict[str, dict[str, Any]] = {
    "attention": {"target_modules": r"visual\..*(attn|c_fc)"},
    "attention of both towers": {"target_modules": ["attn", "c_fc"]},
    "output of the attention alone": {"target_modules": ["out_proj"]},
    "patches": {"target_modules": ["conv1", "c_fc"]},
    "patches with DoRA": {"target_modules": ["conv1", *BLOCKS], "use_dora": True},
    "DoRA, rank-stabilised": {"target_modules": BLOCKS, "use_dora": True, "use_rslora": True},
    "attention, rank-stabilised": {"target_modules": ["attn"], "use_rslora": True},
    "whole layer": {"target_modules": ["c_fc"], "modules_to_save": ["ln_post"]},
    "whole attention": {"target_modules": ["c_fc"], "modules_to_save": ["resblocks.1.attn"]},
    "patterns": {
        "target_modules": ["attn", *BLOCKS],
        "rank_pattern": {r"resblocks\.0\..*c_fc": 2, "resblocks.1.attn": 3},
        "alpha_pattern": {
            "^visual.transformer.resblocks.1.attn": 9,
            r"visual.*\.(attn|c_proj)": 5,
            r".*\.resblocks\.[01]\.mlp\.c_fc": 7,
        },
    },
}


@pytest.mark.parametrize("case", OPEN_CLIP)
def test_an_adapter_of_open_clip_is_merged_as_peft_merges_it(case: str, tmp_path: Path) -> None:
    model = clip()
    base = copied(model, "visual.")
    merges(tmp_path, base, copied(saved(tmp_path, model, **OPEN_CLIP[case]), "visual."))


class Classifier(nn.Module):
    """A model of somebody's own around an image encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.classifier = encoder, nn.Linear(16, 4)


@pytest.mark.parametrize("inner", ["visual", "clip"])
def test_an_image_encoder_in_another_model_is_found(inner: str, tmp_path: Path) -> None:
    model = clip()
    base = copied(model, "visual.")
    prefix = "encoder." if inner == "visual" else "encoder.visual."
    whole = Classifier(model.visual if inner == "visual" else model)
    merged = saved(tmp_path, whole, target_modules=["attn", "c_fc"], modules_to_save=["classifier"])
    merges(tmp_path, base, copied(merged, prefix))
    opened = open_checkpoint(tmp_path)
    assert opened.table["classifier.weight"].shape == (4, 16)
    torch.testing.assert_close(opened.tensor("classifier.weight"), merged.classifier.weight)


def test_an_adapted_head_is_named_where_the_base_has_none(tmp_path: Path) -> None:
    model = clip()
    base = copied(model, "visual.")
    saved(tmp_path, Classifier(model.visual), target_modules=["c_fc", "classifier"])
    with pytest.raises(BadCheckpoint, match="adapts `classifier`, which this base does not have"):
        load_expert(tmp_path, base)


@pytest.mark.parametrize("kind", ["CLIPVisionModel", "CLIPModel"])
def test_hugging_faces_encoder_in_another_model_is_found(kind: str, tmp_path: Path) -> None:
    from core.checkpoints.hugging_face import recipes

    def ours(model: nn.Module) -> dict[str, torch.Tensor]:
        tensors = copied(model)
        made, _ = recipes(tensors)
        named = {name: recipe.make([tensors[part] for part in recipe.parts]) for name, recipe in made.items()}
        return {name.removeprefix("visual."): x for name, x in named.items() if name.startswith("visual.")}

    base = ours(hugging_face(kind))
    targets = ["q_proj", "out_proj", "position_embedding", "fc1"]
    merged = saved(tmp_path, Classifier(hugging_face(kind)), target_modules=targets, use_dora=True)
    merges(tmp_path, base, ours(merged.encoder))


def test_a_resnet_takes_an_adapter_of_its_convolutions(tmp_path: Path) -> None:
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8, "patch_size": None}
    model = clip(vision_cfg=vision)
    base = copied(model, "visual.")
    targets = ["conv2", "conv3", "q_proj"]
    merges(tmp_path, base, copied(saved(tmp_path, model, target_modules=targets, use_dora=True), "visual."))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_base_with_names_of_its_own_takes_an_adapter(wrapped: bool, tmp_path: Path) -> None:
    """Hugging Face's ViT, by the names of the classifier or of its encoder alone."""
    import transformers

    sizes = {"image_size": 16, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes, intermediate_size=64, num_labels=4))
    prefix = "vit." if wrapped else ""
    base = copied(model, prefix)
    linear = [name for name, module in model.vit.named_modules() if isinstance(module, nn.Linear)]
    config = {"target_modules": linear, "modules_to_save": ["classifier", "vit.layernorm"]}
    merged = saved(tmp_path, model, **config)
    merges(tmp_path, base, copied(merged, prefix))
    torch.testing.assert_close(open_checkpoint(tmp_path).tensor("classifier.weight"), merged.classifier.weight)


@pytest.mark.parametrize("use_dora", [False, True])
def test_the_factors_make_what_is_merged(use_dora: bool, tmp_path: Path) -> None:
    model = clip()
    base = {name: tensor.double() for name, tensor in copied(model, "visual.").items()}
    saved(tmp_path, model, target_modules=BLOCKS, use_dora=use_dora)
    found, merged = dict(base), load_expert(tmp_path, base).tensors
    for place, factors in Adapter(open_checkpoint(tmp_path), base).factors():
        weight = base[place.name] + factors.scale * factors.b.double() @ factors.a.double()
        if factors.magnitude is not None:
            weight *= (factors.magnitude.double() / weight.norm(dim=1))[:, None]
        found[place.name] = weight
    torch.testing.assert_close(found, merged)


TEXTS: dict[str, dict[str, Any]] = {
    "both towers": {"target_modules": ["attn", "c_fc"]},
    "text tower alone": {"target_modules": r"transformer\..*c_fc"},
    "its words": {"target_modules": ["token_embedding"], "modules_to_save": ["ln_final"]},
}


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("custom", [False, True])
def test_an_adapted_text_tower_is_merged_as_peft_merges_it(case: str, custom: bool, tmp_path: Path) -> None:
    import open_clip

    from tests.tiny import CONFIG

    model = open_clip.CustomTextCLIP(**CONFIG) if custom else clip()
    torch.save(model.state_dict(), tmp_path / "base.pt")
    config = TEXTS[case] if not custom else TEXTS[case] | {"target_modules": ["c_fc", "token_embedding"]}
    merged = saved(tmp_path / "adapter", model, **config)
    expected = {name: tensor for name, tensor in copied(merged).items() if not name.startswith("visual.")}
    found = load_text_tower(tmp_path / "adapter", None, (tmp_path / "base.pt", None)).tensors
    same(found, {name: tensor for name, tensor in expected.items() if name in found})
    assert found.keys() >= dict(merged.named_parameters()).keys() & expected.keys()


def test_hugging_faces_text_tower_is_adapted_by_its_own_names(tmp_path: Path) -> None:
    from core.checkpoints import load_checkpoint

    model = hugging_face("CLIPModel")
    model.save_pretrained(tmp_path / "base")
    targets = ["q_proj", "fc1", "text_projection", "visual_projection"]
    merged = saved(tmp_path / "adapter", model, target_modules=targets, use_dora=True)
    merged.save_pretrained(tmp_path / "merged")
    found = load_text_tower(tmp_path / "adapter", None, (tmp_path / "base", None)).tensors
    same(found, load_checkpoint(tmp_path / "merged", skip="visual.").tensors)
    base = load_checkpoint(tmp_path / "base", "visual.").tensors
    merges(tmp_path / "adapter", base, load_checkpoint(tmp_path / "merged", "visual.").tensors)


def test_an_adapter_of_the_text_tower_alone_is_no_expert(tmp_path: Path) -> None:
    """open_clip gives both towers' matrices the same names; PEFT notes which model it was."""
    model = clip()
    base = copied(model, "visual.")
    saved(tmp_path, model, target_modules=r"transformer\..*c_fc")
    with pytest.raises(BadCheckpoint, match="should adapt the image encoder"):
        load_expert(tmp_path, base)
