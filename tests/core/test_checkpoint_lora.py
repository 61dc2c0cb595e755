"""LoRA adapters: what is merged equals what PEFT itself merges; what is not plain LoRA is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.checkpoints import Kind, identify, load_checkpoint, load_expert
from core.checkpoints.hugging_face import from_open_clip
from core.errors import BadCheckpoint
from core.problem.loading import load
from core.suite.find import find
from tests.core.checkpoint_files import clip, equal, hugging_face
from tests.tiny import make_suite

pytestmark = [
    pytest.mark.slow,  # Importing peft takes seconds, which is also why it is done late.
    # PEFT 0.21 asks transformers 5 for a property under its former name.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

ALL = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
PLAIN: dict[str, dict[str, Any]] = {
    "attention": {"target_modules": ["q_proj", "v_proj"]},
    "every matrix": {"target_modules": [*ALL, "visual_projection"]},
    "rank-stabilised": {"target_modules": ALL, "use_rslora": True},
    "own alpha and rank": {
        "target_modules": ALL,
        "alpha_pattern": {"fc1": 3, "encoder.layers.0.self_attn.q_proj": 5},
        "rank_pattern": {"v_proj": 1},
    },
    "patches": {"target_modules": ["patch_embedding"]},
    "places": {"target_modules": ["position_embedding"]},
    "DoRA": {"target_modules": [*ALL, "visual_projection", "patch_embedding", "position_embedding"], "use_dora": True},
    "DoRA, rank-stabilised": {"target_modules": ["q_proj", "v_proj"], "use_dora": True, "use_rslora": True},
    "whole modules": {"modules_to_save": ["post_layernorm", "visual_projection", "layers.1.self_attn.v_proj"]},
}


def adapter(folder: Path, kind: str = "CLIPVisionModelWithProjection", **config: Any) -> tuple[Any, dict[str, Tensor]]:
    """Save an adapter with random numbers; return the merged model and the base's image encoder (open_clip's names)."""
    import peft

    model = hugging_face(kind)
    torch.manual_seed(5)
    options = {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj"]} | config
    wrapped = peft.get_peft_model(model, peft.LoraConfig(**options))
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape)
    wrapped.save_pretrained(folder)
    merged = wrapped.merge_and_unload()
    return merged, base_of(hugging_face(kind))


def base_of(model: Any) -> dict[str, Tensor]:
    """The image encoder of a transformers model by open_clip's names, from our own reading of its file."""
    tensors = model.state_dict()
    from core.checkpoints.hugging_face import recipes

    made, _ = recipes(tensors)
    return {
        name.removeprefix("visual."): recipe.make([tensors[part] for part in recipe.parts])
        for name, recipe in made.items()
        if name.startswith("visual.")
    }


@pytest.mark.parametrize("case", PLAIN)
def test_an_adapter_is_merged_as_peft_merges_it(case: str, tmp_path: Path) -> None:
    merged, base = adapter(tmp_path, **PLAIN[case])
    before = {name: tensor.clone() for name, tensor in base.items()}
    found, expected = load_expert(tmp_path, base).tensors, base_of(merged)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(
            found[name].to(tensor), tensor, rtol=1e-6, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert any(not torch.equal(found[name], base[name]) for name in base)
    assert equal(base, before)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_a_small_update_reaches_the_task_vector_whatever_the_base_is_stored_in(
    stored: torch.dtype, tmp_path: Path
) -> None:
    """From files to τ, against what PEFT adds to the same base in float64."""
    import peft

    suite = make_suite(tmp_path, tasks=1)
    base = hugging_face("CLIPModel").to(stored)
    save_file(base.state_dict(), tmp_path / "base.safetensors")
    before = {name: tensor.clone() for name, tensor in base_of(base.double()).items()}
    target = rf"vision_model\..*({'|'.join(ALL)}|patch_embedding)|visual_projection"
    wrapped = peft.get_peft_model(base, peft.LoraConfig(r=4, lora_alpha=6, target_modules=target))
    generator = torch.Generator().manual_seed(5)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data = 0.005 * torch.randn(parameter.shape, generator=generator).double()
    wrapped.save_pretrained(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: tensor.float() for name, tensor in load_file(file).items()}, file)  # As PEFT trains them.
    after = base_of(wrapped.merge_and_unload())
    suite.write_text(suite.read_text().replace("task0.safetensors", "adapter"))

    found = load(find(str(suite)), device="cpu", precision="float32", micro_batch=64).task_vectors
    for name in found.names:
        expected, tau = after[name] - before[name], found.delta(name)[0].double()
        assert (tau - expected).norm() <= 1e-6 * expected.norm(), name
    theta = found.expert("task0")  # What `individual` and the evaluation of the expert run with.
    for name in found.names:
        torch.testing.assert_close(theta[name], after[name].float(), rtol=2e-7, atol=1e-9)


def test_an_adapter_of_a_whole_clip_model_is_read_from_its_file_alone(tmp_path: Path) -> None:
    merged, base = adapter(tmp_path, "CLIPModel", target_modules=r"vision_model\..*q_proj")
    file = tmp_path / "adapter_model.safetensors"
    found = {name: tensor.float() for name, tensor in load_expert(file, base).tensors.items()}
    torch.testing.assert_close(found, base_of(merged), rtol=1e-6, atol=1e-6)
    assert identify(file).kind == Kind.ADAPTER
    (tmp_path / "adapter_config.json").rename(tmp_path / "elsewhere.json")
    with pytest.raises(BadCheckpoint, match=r"expected adapter_config\.json next to it"):
        load_expert(file, base)


def test_the_scale_is_part_of_what_an_adapter_is(tmp_path: Path) -> None:
    adapter(tmp_path)
    before = identify(tmp_path).sha256
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 7}))
    assert identify(tmp_path).sha256 != before


def test_an_adapter_alone_is_no_base(tmp_path: Path) -> None:
    adapter(tmp_path)
    with pytest.raises(BadCheckpoint, match="is an adapter, which can't be used without its base"):
        load_checkpoint(tmp_path)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "biases": ({"bias": "all"}, "bias 'all'"),
    "another base": ({"init_lora_weights": "pissa"}, "init_lora_weights` 'pissa'"),
    "rotated base": ({"init_lora_weights": "olora"}, "init_lora_weights` 'olora'"),
    "another form": ({"kasa_config": {}}, "KaSA"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_plain_lora_is_refused_by_name(case: str, tmp_path: Path) -> None:
    config, word = REFUSED[case]
    _, base = adapter(tmp_path, **config)
    with pytest.raises(BadCheckpoint, match=f"plain LoRA adapter.*{word}"):
        load_expert(tmp_path, base)


def test_another_kind_of_adapter_is_refused_by_name(tmp_path: Path) -> None:
    import peft

    peft.get_peft_model(hugging_face("CLIPVisionModel"), peft.LoHaConfig(target_modules=["q_proj"])).save_pretrained(
        tmp_path
    )
    with pytest.raises(BadCheckpoint, match="Found peft_type 'LOHA'"):
        load_expert(tmp_path, {})


def test_what_an_adapter_changes_in_the_text_tower_is_left_out_and_said(tmp_path: Path) -> None:
    merged, base = adapter(tmp_path, "CLIPModel")
    found = {name: tensor.float() for name, tensor in load_expert(tmp_path, base).tensors.items()}
    torch.testing.assert_close(found, base_of(merged), rtol=1e-6, atol=1e-6)
    assert any("also adapts the text tower" in warning for warning in identify(tmp_path).warnings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({next(iter(t)): torch.ones(4, 7)}), "should adapt a matrix of shape"),
        (lambda t: t.update({next(iter(t)): torch.ones(3, 32)}), "should have 4 rows"),
        (lambda t: t.pop(next(iter(t))), "lora_A and lora_B"),
        (lambda t: t.update({name: 1e20 * x for name, x in t.items()}), "NaN or infinite"),
        (lambda t: t.update({"base_model.model.nowhere.lora_A.weight": torch.ones(4, 3),
                             "base_model.model.nowhere.lora_B.weight": torch.ones(3, 4)}), "does not have"),
    ],
    ids=["width", "rank", "half", "beyond float32", "unknown module"],
)  # fmt: skip
def test_a_damaged_adapter_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    _, base = adapter(tmp_path)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(BadCheckpoint, match=message):
        load_expert(tmp_path, base)


def test_the_same_base_under_open_clip_names_takes_the_adapter(tmp_path: Path) -> None:
    """An adapter trained with transformers changes an open_clip base by the same task vector."""
    _, own = adapter(tmp_path)
    other = {name.removeprefix("visual."): x for name, x in clip(4).state_dict().items() if name.startswith("visual.")}
    one, two = load_expert(tmp_path, own).tensors, load_expert(tmp_path, other).tensors
    for name in own:
        torch.testing.assert_close(one[name] - own[name], two[name] - other[name], rtol=1e-4, atol=1e-5)
    assert from_open_clip({f"visual.{name}": x for name, x in two.items()})
