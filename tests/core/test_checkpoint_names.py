"""The names of Hugging Face's CLIP and of open_clip: the same weights give the same features, both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.checkpoints import Kind, identify, load_checkpoint, load_expert
from core.checkpoints.architectures import guess
from core.checkpoints.hugging_face import from_open_clip
from core.checkpoints.source import TensorEntry
from core.encoders.building import build
from core.encoders.family import architecture
from core.errors import BadCheckpoint
from tests.core.checkpoint_files import PATCH, SIZE, clip, equal, hugging_face

PIXELS = torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
TOKENS = torch.tensor([[49406, 320, 1125, 49407, *[0] * 12], [49406, 7, 8, 9, 10, 49407, *[0] * 10]])
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
KINDS = ("CLIPModel", "CLIPVisionModelWithProjection")


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("kind", KINDS)
def test_hugging_face_weights_give_the_same_features_in_open_clip(kind: str, activation: str, tmp_path: Path) -> None:
    theirs = hugging_face(kind, activation=activation)
    theirs.save_pretrained(tmp_path)
    found = load_checkpoint(tmp_path)
    assert found.quick_gelu is (activation == "quick_gelu")
    ours = clip(9, quick_gelu=activation == "quick_gelu")
    own = ours.state_dict()
    ours.load_state_dict(own | found.tensors if kind != "CLIPModel" else found.tensors)
    with torch.no_grad():
        embeds = theirs.get_image_features(pixel_values=PIXELS) if kind == "CLIPModel" else theirs(PIXELS)
        expected = embeds.pooler_output if kind == "CLIPModel" else embeds.image_embeds
        torch.testing.assert_close(ours.encode_image(PIXELS), expected, **CLOSE)
        if kind == "CLIPModel":
            text = theirs.get_text_features(input_ids=TOKENS).pooler_output
            torch.testing.assert_close(ours.encode_text(TOKENS), text, **CLOSE)
            torch.testing.assert_close(ours.logit_scale, theirs.logit_scale)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_open_clip_weights_give_the_same_features_in_transformers(kind: str) -> None:
    ours, theirs = clip(3, quick_gelu=True), hugging_face(kind, seed=8)
    mapped = from_open_clip(ours.state_dict())
    wanted = theirs.state_dict()
    theirs.load_state_dict({name: mapped[name] for name in wanted if not name.endswith("position_ids")}, strict=False)
    with torch.no_grad():
        embeds = theirs.get_image_features(pixel_values=PIXELS) if kind == "CLIPModel" else theirs(PIXELS)
        found = embeds.pooler_output if kind == "CLIPModel" else embeds.image_embeds
        torch.testing.assert_close(found, ours.encode_image(PIXELS), **CLOSE)


def test_there_and_back_is_bit_identical(tmp_path: Path) -> None:
    tensors = clip().state_dict()
    save_file(from_open_clip(tensors), tmp_path / "model.safetensors")
    assert equal(load_checkpoint(tmp_path / "model.safetensors").tensors, dict(tensors))


def test_a_name_without_a_place_is_told_on_the_way_back() -> None:
    with pytest.raises(KeyError, match=r"visual\.trunk\.stem\.0\.weight"):
        from_open_clip({"visual.trunk.stem.0.weight": torch.ones(1)})


@pytest.mark.grid
@pytest.mark.parametrize("prefix", ["", "vision_model.", "model.vision_model.", "module."])
def test_an_expert_without_projection_keeps_the_base_s(prefix: str, tmp_path: Path) -> None:
    """As the checkpoints of FusionBench: a CLIPVisionModel, with the prefix or (transformers 5) without."""
    plain = {name.removeprefix("vision_model."): x for name, x in hugging_face("CLIPVisionModel").state_dict().items()}
    plain |= {"embeddings.position_ids": torch.arange((SIZE // PATCH) ** 2 + 1)[None]}
    save_file({prefix + name: x.contiguous() for name, x in plain.items()}, tmp_path / "model.safetensors")
    base = {name.removeprefix("visual."): x for name, x in clip().state_dict().items() if name.startswith("visual.")}
    found = load_expert(tmp_path / "model.safetensors", base).tensors
    assert found.keys() == base.keys()
    assert torch.equal(found["proj"], base["proj"])
    assert torch.equal(found["conv1.weight"], plain["embeddings.patch_embedding.weight"])
    assert not torch.equal(found["ln_post.bias"], base["ln_post.bias"])
    assert "projection" in " ".join(identify(tmp_path / "model.safetensors").warnings)


@pytest.mark.parametrize("prefix", ["", "model.", "module.", "image_encoder.model.", "_orig_mod."])
@pytest.mark.parametrize("part", ["model", "image encoder"])
def test_open_clip_weights_are_found_under_any_prefix(prefix: str, part: str, tmp_path: Path) -> None:
    tensors = dict(clip().state_dict())
    if part == "image encoder":
        tensors = {name: x for name, x in tensors.items() if name.startswith("visual.")}
    stored = {prefix + name: x for name, x in tensors.items()} | {"optimiser.step": torch.ones(2)}
    if prefix:
        save_file(stored, tmp_path / "model.safetensors")
        assert equal(load_checkpoint(tmp_path / "model.safetensors").tensors, tensors)
        assert "`optimiser.step`" in " ".join(identify(tmp_path / "model.safetensors").warnings)
    tower = {prefix + name.removeprefix("visual."): x for name, x in tensors.items() if name.startswith("visual.")}
    save_file(tower, tmp_path / "tower.safetensors")
    found = load_checkpoint(tmp_path / "tower.safetensors").tensors
    assert equal(found, {name: x for name, x in tensors.items() if name.startswith("visual.")})


def test_two_encoders_in_one_file_are_refused(tmp_path: Path) -> None:
    tensors = clip().state_dict()
    both = {f"{which}.{name}": x.clone() for which in ("model", "ema") for name, x in tensors.items()}
    save_file(both, tmp_path / "model.safetensors")
    with pytest.raises(BadCheckpoint, match=r"one image encoder.*`ema\.`, `model\.`"):
        load_checkpoint(tmp_path / "model.safetensors")


def test_a_query_of_another_size_than_the_key_is_refused(tmp_path: Path) -> None:
    tensors = from_open_clip(clip().state_dict())
    name = "vision_model.encoder.layers.0.self_attn.q_proj.weight"
    save_file(tensors | {name: torch.ones(7, 32)}, tmp_path / "model.safetensors")
    with pytest.raises(BadCheckpoint, match="query, key and value"):
        load_checkpoint(tmp_path / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["ViT-B-32", "ViT-L-14", "ViT-H-14", "RN50", "convnext_tiny"])
def test_the_architecture_is_told_from_shapes(arch: str) -> None:
    model = build(architecture(arch), device="meta")
    # The whole models would be gigabytes: their tables are all that is looked at.
    table = {name: TensorEntry(torch.float32, tuple(x.shape)) for name, x in model.state_dict().items()}
    tower = {name: entry for name, entry in table.items() if name.startswith("visual.")}
    assert guess(tower)[0] == arch
    if arch == "ViT-B-32":
        assert guess(table)[0] == arch
        assert guess(table, quick_gelu=True)[0] == f"{arch}-quickgelu"
        assert not any(name.endswith("-quickgelu") for name in guess(table, quick_gelu=False))
    last = "visual.proj" if "visual.proj" in tower else list(tower)[-1]
    assert guess(tower | {last: TensorEntry(torch.float32, (3, 3))}) == ()


@pytest.mark.slow
def test_a_plain_file_and_a_folder_say_the_same(tmp_path: Path) -> None:
    model = hugging_face("CLIPVisionModelWithProjection")
    model.save_pretrained(tmp_path)
    folder, file = identify(tmp_path), identify(tmp_path / "model.safetensors")
    assert folder.tensors == file.tensors
    assert folder.sha256 == file.sha256
    assert (folder.kind, folder.layout) == (Kind.ENCODER, "Hugging Face CLIP vision model with projection")
    assert folder.parameters == sum(x.numel() for x in load_file(tmp_path / "model.safetensors").values())
    assert (folder.quick_gelu, file.quick_gelu) == (True, None)
