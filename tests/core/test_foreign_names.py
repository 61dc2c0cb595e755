"""CLIP in other clothes: timm's names, TorchScript archives, geometric parametrisation; and heads that files hold."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm.models.vision_transformer as vision
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from core.checkpoints import Kind, heads, identify, load_checkpoint, load_expert, open_checkpoint
from core.encoders.models import VISUAL
from core.errors import BadCheckpoint
from tests.core.checkpoint_files import PATCH, SIZE, clip, equal, save

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
PIXELS = torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def timm_model(**changes: Any) -> nn.Module:
    """timm's vision transformer in the shape of the tiny CLIP, none of its weights 0."""
    shape = {"img_size": SIZE, "patch_size": PATCH, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 4}
    clip_like = {"pre_norm": True, "norm_layer": nn.LayerNorm}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = vision.VisionTransformer(**shape | clip_like | changes).eval()
        for parameter in model.parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape)
    return model


def image_encoder(seed: int = 0) -> dict[str, Tensor]:
    return {name.removeprefix(VISUAL): x for name, x in clip(seed).state_dict().items() if name.startswith(VISUAL)}


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "model.", "backbone."])
def test_timm_weights_give_the_same_features_in_open_clip(prefix: str, tmp_path: Path) -> None:
    theirs, ours = timm_model(), clip(5)
    save_file({prefix + name: x for name, x in theirs.state_dict().items()}, tmp_path / "a.safetensors")
    verdict = identify(tmp_path / "a.safetensors")
    assert (verdict.kind, verdict.layout) == (Kind.ENCODER, "CLIP image encoder under timm's names")
    base = image_encoder(5)
    found = load_expert(tmp_path / "a.safetensors", base).tensors
    assert found.keys() == base.keys()
    assert torch.equal(found["proj"], base["proj"])
    ours.visual.load_state_dict(found)
    with torch.no_grad():
        features = theirs.forward_head(theirs.forward_features(PIXELS), pre_logits=True)
        torch.testing.assert_close(ours.visual(PIXELS), features @ base["proj"], **CLOSE)


def test_another_vision_transformer_of_timm_is_not_taken_for_clip(tmp_path: Path) -> None:
    save_file(timm_model(pre_norm=False).state_dict(), tmp_path / "a.safetensors")
    assert identify(tmp_path / "a.safetensors").kind == Kind.CLASSIFIER
    with pytest.raises(BadCheckpoint, match="Found an image classifier"):
        load_expert(tmp_path / "a.safetensors", image_encoder(5))


class Geometric(nn.Module):
    """zer0int's GeometricLinear."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.r = nn.Parameter(linear.weight.data.norm(dim=1, keepdim=True) * 1.5)
        self.theta = nn.Parameter(linear.weight.data * torch.rand(len(linear.weight), 1) + 0.1)
        self.bias = linear.bias

    @property
    def weight(self) -> Tensor:
        return self.r * nn.functional.normalize(self.theta, p=2, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)


def geometric() -> nn.Module:
    model = clip(2)
    for block in (*model.visual.transformer.resblocks, *model.transformer.resblocks):
        block.mlp.c_fc, block.mlp.c_proj = Geometric(block.mlp.c_fc), Geometric(block.mlp.c_proj)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("whole", [True, False])
def test_geometric_weights_are_converted(whole: bool, tmp_path: Path) -> None:
    theirs, ours = geometric(), clip(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save(theirs if whole else theirs.state_dict(), tmp_path / "gmp.pt")
    found = load_checkpoint(path).tensors
    ours.load_state_dict(found)
    tokens = torch.tensor([[49406, 320, 1125, 49407, *[0] * 12]])
    with torch.no_grad():
        torch.testing.assert_close(ours.encode_image(PIXELS), theirs.encode_image(PIXELS), **CLOSE)
        torch.testing.assert_close(ours.encode_text(tokens), theirs.encode_text(tokens), **CLOSE)
    opened = open_checkpoint(path)
    assert all(opened.table[name].shape == tuple(x.shape) for name, x in found.items())


@pytest.mark.parametrize(
    "odd",
    [
        {"theta": torch.ones(3), "r": torch.ones(3, 1)},
        {"theta": torch.ones(3, 2), "r": torch.ones(2, 1)},
        {"theta": torch.ones(3, 2, dtype=torch.int32), "r": torch.ones(3, 1)},
    ],
)
def test_geometric_weights_that_do_not_fit_are_refused(odd: dict[str, Tensor], tmp_path: Path) -> None:
    name = "visual.transformer.resblocks.0.mlp.c_fc."
    tensors = clip().state_dict() | {name + end: x for end, x in odd.items()}
    del tensors[f"{name}weight"]
    with pytest.raises(BadCheckpoint, match=r"`visual.*c_fc\.weight` should have `theta` \[n, m\]"):
        load_checkpoint(save(tensors, tmp_path / "a.pt"))


def script_of(model: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(model, torch.zeros(1, 3, SIZE, SIZE), check_trace=False)


@pytest.mark.slow
@pytest.mark.parametrize("quick_gelu", [True, False])
def test_a_torchscript_archive_is_read_without_running_it(quick_gelu: bool, tmp_path: Path) -> None:
    model = clip(4, quick_gelu=quick_gelu)
    script_of(model.visual).save(str(tmp_path / "a.pt"))
    expected = {name: x for name, x in model.state_dict().items() if name.startswith(VISUAL)}
    found = load_checkpoint(tmp_path / "a.pt")
    assert equal(found.tensors, expected)
    assert found.quick_gelu is quick_gelu
    assert identify(tmp_path / "a.pt").format == "TorchScript archive"


@pytest.mark.slow
def test_a_quantised_script_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)), {nn.Linear})
        torch.jit.script(quantised).save(str(tmp_path / "a.pt"))
    with pytest.raises(BadCheckpoint, match=r"no named tensors|element type|dense tensor"):
        load_checkpoint(tmp_path / "a.pt")


WEIGHT, BIAS = torch.ones(4, 16), torch.zeros(4)
HELD: dict[str, tuple[Callable[[], dict[str, Tensor]], dict[str, tuple[str, str | None]]]] = {
    "a linear layer": (lambda: {"weight": WEIGHT, "bias": BIAS}, {"": ("weight", "bias")}),
    "without bias": (lambda: {"fc.weight": WEIGHT}, {"fc": ("fc.weight", None)}),
    "a bias of another size": (
        lambda: clip().state_dict() | {"ff_head.weight": WEIGHT, "ff_head.bias": torch.ones(7)},
        {"ff_head": ("ff_head.weight", "ff_head.bias")},  # Whoever reads it tells that it does not fit.
    ),
    "beside an encoder": (
        lambda: {f"model.{n}": x for n, x in clip().state_dict().items()} | {"out.weight": WEIGHT, "out.bias": BIAS},
        {"out": ("out.weight", "out.bias")},
    ),
    "inside its prefix": (
        lambda: clip().state_dict() | {"classifier.weight": WEIGHT, "classifier.bias": BIAS},
        {"classifier": ("classifier.weight", "classifier.bias")},
    ),
    "of timm": (lambda: dict(timm_model().state_dict()), {"head": ("head.weight", "head.bias")}),
    "of another vision transformer": (
        lambda: dict(timm_model(pre_norm=False).state_dict()),
        {"head": ("head.weight", "head.bias")},
    ),
    "none": (lambda: dict(clip().state_dict()), {}),
}


@pytest.mark.parametrize("case", HELD)
def test_the_heads_of_a_file_are_found(case: str, tmp_path: Path) -> None:
    tensors, expected = HELD[case]
    path = tmp_path / "a.safetensors"
    save_file({name: x.clone() for name, x in tensors().items()}, path)
    assert heads(open_checkpoint(path)) == expected


def test_heads_of_other_models_in_the_file_are_left_out(tmp_path: Path) -> None:
    head = {"head.weight": WEIGHT, "head.bias": BIAS}
    both = {f"{which}.{n}": x for which in ("ema", "model") for n, x in (clip().state_dict() | head).items()}
    path = save(both, tmp_path / "a.pt")
    assert heads(open_checkpoint(path, "ema.")) == {"ema.head": ("ema.head.weight", "ema.head.bias")}
