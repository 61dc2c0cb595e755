"""Classifiers of timm, torchvision and transformers: the same logits, images and names as their own libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from core.checkpoints import SeveralModels, identify, load_checkpoint, load_expert, open_checkpoint, trained_head
from core.encoders.encoder import Encoder
from core.encoders.family import architecture
from core.encoders.linear import logits
from core.encoders.models import VISUAL, Architecture
from core.encoders.preprocessing import fitting
from core.errors import BadCheckpoint
from core.problem.grouping import block_of

CLASSES = 5
VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TIMM = {
    "vit_tiny_patch16_224": {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3},
    "convnext_atto": {"depths": [1, 1, 1, 1], "dims": [8, 16, 24, 32]},
    "resnet18": {},
    "swin_tiny_patch4_window7_224": {"img_size": 32, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2]},
    "mobilenetv3_small_050": {},
    "deit3_small_patch16_224": {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3},
    "eva02_tiny_patch14_224": {"img_size": 28, "embed_dim": 48, "depth": 2, "num_heads": 3},
}  # fmt: skip
TORCHVISION = ("resnet18", "vit_b_32", "convnext_tiny", "mobilenet_v3_small", "swin_t", "densenet121", "vgg11")
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "vit": VIT | {"image_size": 32, "patch_size": 8},
    "deit": VIT | {"image_size": 32, "patch_size": 8},
    "beit": VIT | {"image_size": 32, "patch_size": 8, "use_relative_position_bias": True},
    "data2vec-vision": VIT | {"image_size": 24, "patch_size": 8, "use_relative_position_bias": True},
    "swin": {"image_size": 32, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4},
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "image_size": 32},
    "resnet": {"embedding_size": 8, "hidden_sizes": [16, 24], "depths": [1, 1], "layer_type": "basic"},
    "dinov2": {**VIT, "image_size": 28, "patch_size": 14, "mlp_ratio": 2},
    "siglip": {"vision_config": VIT | {"image_size": 32, "patch_size": 8}, "text_config": VIT},
    "clip": {"vision_config": VIT | {"image_size": 32, "patch_size": 8}, "text_config": VIT},
}


def pixels(arch: Architecture, count: int = 3) -> Tensor:
    height, width = arch.input_size
    return torch.randint(0, 256, (count, height, width, 3), generator=torch.Generator().manual_seed(1)).byte()


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """With weights and statistics that are nowhere the usual 0 or 1, so that none can be left out unseen."""
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, one in model.state_dict().items():
            if one.is_floating_point():
                moved = 0.1 * torch.randn(one.shape, generator=noise)
                one.add_(moved.abs() if "var" in name else moved)
    return model.eval()


def same_logits(path: Path, arch: Architecture, model: torch.nn.Module) -> None:
    """In float64, which leaves no room for a difference."""
    encoder, images = Encoder(arch, torch.device("cpu"), "float64"), pixels(arch)
    weights = load_checkpoint(path, VISUAL, arch=arch).tensors
    assert weights.keys() >= {*encoder.parameter_shapes, *encoder.buffer_names}
    weights = {name: one.double() if one.is_floating_point() else one for name, one in weights.items()}
    head = trained_head(open_checkpoint(path, arch=arch), CLASSES, encoder.width)
    prepared = encoder.prepare(images)
    with torch.no_grad():
        theirs: Any = model.double()(prepared)
        theirs = getattr(theirs, "logits", theirs)
        ours = logits(encoder.features(weights, prepared), head.double())
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", TIMM)
def test_timm_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    import timm

    model = shaken(timm.create_model(name, num_classes=CLASSES, **TIMM[name]))
    (tmp_path / "config.json").write_text(json.dumps({"architecture": name, "model_args": TIMM[name]}))
    arch = architecture("timm", tmp_path / "config.json")
    for prefix in ("", "module.", "student.model."):
        file = tmp_path / f"{prefix}model.pth"
        torch.save({"state_dict": {prefix + key: value for key, value in model.state_dict().items()}}, file)
        same_logits(file, arch, model)


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    from torchvision.models import get_model

    model = shaken(get_model(name, weights=None, num_classes=CLASSES))
    torch.save(model.state_dict(), tmp_path / "model.pth")
    same_logits(tmp_path / "model.pth", architecture(f"torchvision:{name}"), model)


def classifier(kind: str, folder: Path) -> torch.nn.Module:
    from transformers import AutoConfig, AutoModelForImageClassification

    config = AutoConfig.for_model(kind, num_labels=CLASSES, **TRANSFORMERS[kind])
    config.architectures = []
    made: Any = AutoModelForImageClassification
    model = made.from_config(config)
    shaken(model)
    model.save_pretrained(folder)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["beit", "data2vec-vision"])
def test_the_first_model_of_its_kind_gives_numbers(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding out its shapes, which is then remembered, leaves nothing in transformers' own cache."""
    monkeypatch.setenv("MERGESCOPE_HOME", str(tmp_path / "home"))
    model = classifier(kind, tmp_path / "model")
    same_logits(tmp_path / "model", architecture("transformers", tmp_path / "model" / "config.json"), model)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_transformers_gives_the_same_logits(kind: str, tmp_path: Path) -> None:
    model = classifier(kind, tmp_path)
    same_logits(tmp_path, architecture("transformers", tmp_path / "config.json"), model)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_vision_tower_is_used_through_its_pooled_output(kind: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel

    settings = VIT | {"image_size": 32, "patch_size": 8}
    made: Any = AutoModel
    model = shaken(made.from_config(AutoConfig.for_model(f"{kind}_vision_model", **settings)))
    model.save_pretrained(tmp_path)  # type: ignore[operator]  # transformers
    arch = architecture("transformers", tmp_path / "config.json")
    encoder = Encoder(arch, torch.device("cpu"), "float32")
    prepared, weights = encoder.prepare(pixels(arch)), load_checkpoint(tmp_path, VISUAL, arch=arch).tensors
    with torch.no_grad():
        torch.testing.assert_close(encoder.features(weights, prepared), model(prepared).pooler_output)


def picture() -> Image.Image:
    noise = np.random.default_rng(3).integers(0, 256, (47, 61, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((305, 235), Image.Resampling.BICUBIC)


def prepared(arch: Architecture) -> Tensor:
    """A picture as the encoder gets it."""
    apply, _ = fitting(arch).make()
    pixels = torch.from_numpy(np.array(apply(picture()))[None])
    return Encoder(arch, torch.device("cpu"), "float32").prepare(pixels)[0]


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "resnet18", "deit3_small_patch16_224"])
def test_pictures_are_prepared_as_timm_does(name: str) -> None:
    import timm
    from timm.data import create_transform, resolve_data_config

    taken = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    expected: Any = create_transform(**taken)(picture())
    torch.testing.assert_close(prepared(architecture(f"timm:{name}")), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "convnext_tiny", "swin_t"])
def test_pictures_are_prepared_as_torchvision_does(name: str) -> None:
    from torchvision.models import get_model_weights

    expected = get_model_weights(name).DEFAULT.transforms()(picture())  # type: ignore[attr-defined]  # an enum of its own
    torch.testing.assert_close(prepared(architecture(f"torchvision:{name}")), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["ViT", "ConvNext", "Bit", "CLIP", "Siglip", "Beit"])
def test_pictures_are_prepared_as_transformers_does(kind: str, tmp_path: Path) -> None:
    import transformers

    name = f"{kind}ImageProcessorPil" if hasattr(transformers, f"{kind}ImageProcessorPil") else f"{kind}ImageProcessor"
    processor = getattr(transformers, name)()
    processor.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "convnext"}))  # takes images of any size
    expected = processor(picture(), return_tensors="pt").pixel_values[0]
    torch.testing.assert_close(
        prepared(architecture("transformers", tmp_path / "config.json")), expected, atol=1e-4, rtol=0
    )


def test_the_centre_is_cut_out_where_transformers_does(tmp_path: Path) -> None:
    from transformers import ConvNextImageProcessorPil

    processor: Any = ConvNextImageProcessorPil(size={"shortest_edge": 32})
    processor.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "convnext"}))
    apply, _ = fitting(architecture("transformers", tmp_path / "config.json")).make()
    told = {"do_rescale": False, "do_normalize": False, "return_tensors": "pt"}
    for width in range(36, 41):  # In half of them, it is not in the middle of a pixel.
        small = picture().resize((width, 36))
        expected = processor(small, **told).pixel_values[0].permute(1, 2, 0).byte()
        assert torch.equal(torch.from_numpy(np.array(apply(small))), expected)


def test_two_encoders_in_one_file_are_not_guessed_between(tmp_path: Path) -> None:
    import timm

    name = "vit_tiny_patch16_224"
    state = timm.create_model(name, num_classes=CLASSES, **TIMM[name]).state_dict()
    both = {f"{one}.{key}": value.clone() for one in ("student", "teacher") for key, value in state.items()}
    save_file(both, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": name, "model_args": TIMM[name]}))
    arch = architecture("timm", tmp_path / "config.json")
    file = tmp_path / "model.safetensors"
    with pytest.raises(SeveralModels, match=r"one image encoder. Found several, under `student.`, `teacher.`"):
        load_expert(file, {}, arch)
    found = load_expert(file, {}, arch, inside="teacher.").tensors
    assert torch.equal(found["cls_token"], state["cls_token"])
    assert trained_head(open_checkpoint(file, "teacher.", arch), CLASSES, 48).shape == (CLASSES, 48)


@pytest.mark.slow
def test_a_model_is_not_listed_again_as_what_lies_inside_it(tmp_path: Path) -> None:
    state = classifier("vit", tmp_path / "model").state_dict()
    torch.save({"model": state, "model_ema": {name: one + 0.1 for name, one in state.items()}}, tmp_path / "two.pth")
    arch = architecture("transformers", tmp_path / "model" / "config.json")
    with pytest.raises(SeveralModels) as told:
        load_expert(tmp_path / "two.pth", {}, arch)
    assert told.value.choices == ("model.", "model_ema.")
    with pytest.raises(BadCheckpoint, match=r"begin with `ema\.`. Found names under `model\.`, `model_ema\.`"):
        load_expert(tmp_path / "two.pth", {}, arch, inside="ema.")


@pytest.mark.parametrize(
    ("name", "block"),
    {
        "encoder.layers.encoder_layer_3.mlp.0.weight": "block 3",
        "features.2.1.block.0.weight": "block 2.1",
        "features.denseblock2.denselayer7.conv1.weight": "block 2.7",
        "s1.b2.conv1.conv.weight": "block 1.2",
        "vit.layers.4.attention.q_proj.weight": "block 4",
        "vit.embeddings.cls_token": "embedding",
        "vision_model.post_layernorm.bias": "output",
        "classifier.0.weight": "output",
        "fc_norm.weight": "output",
        "norm_pre.weight": "embedding",
        "conv_proj.weight": "embedding",
    }.items(),
)
def test_blocks_are_found_in_the_names_of_each_library(name: str, block: str) -> None:
    assert block_of(name) == block


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torchvision:resnet18", "torchvision:swin_t", "timm:vit_tiny_patch16_224"])
def test_the_architecture_of_a_plain_file_is_told_by_its_shapes(name: str, tmp_path: Path) -> None:
    import timm
    from torchvision.models import get_model

    library, _, model = name.partition(":")
    made = timm.create_model(model, num_classes=7) if library == "timm" else get_model(model, num_classes=7)
    torch.save({"state_dict": {f"net.{key}": one for key, one in made.state_dict().items()}}, tmp_path / "m.ckpt")
    found = identify(tmp_path / "m.ckpt", digest=False)
    assert (found.kind, found.architectures[0]) == ("image classifier", name)
