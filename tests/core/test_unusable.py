"""What can't be merged as it is: named for what it is, in one line with what to do."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as distributed
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.checkpoints import identify, load_checkpoint, load_expert, open_checkpoint
from core.encoders.models import VISUAL
from core.errors import BadCheckpoint
from core.problem.examine import check
from core.suite.find import find
from core.suite.scan import scan
from tests.core.checkpoint_files import clip, equal, hugging_face, save
from tests.core.suite_edits import opened
from tests.tiny import make_suite

ENCODER = {name: x for name, x in clip().state_dict().items() if name.startswith(VISUAL)}
C_FC = "visual.transformer.resblocks.0.mlp.c_fc"
BASE = {name.removeprefix(VISUAL): x for name, x in ENCODER.items()}


def linearised() -> dict[str, Tensor]:
    values = list(ENCODER.values())
    params = {f"model.params.{n}": x for n, x in enumerate(values)}
    return params | {f"model.params0.{n}": x.clone() for n, x in enumerate(values)}


def packed(*ends: str) -> dict[str, Tensor]:
    return ENCODER | {f"{C_FC}.{end}": torch.zeros(3, dtype=torch.uint8) for end in ends}


def optimiser() -> dict[str, Tensor]:
    return {f"state.{name}.{kind}": x.clone() for name, x in BASE.items() for kind in ("exp_avg", "exp_avg_sq")}


NAMED = {
    "is a linearised fine-tune.*ordinary": linearised,
    "list of tensors without names.*state dict": lambda: {f"params.{n}": torch.ones(2) for n in range(3)},
    "quantised with bitsandbytes.*from before": lambda: packed("absmax", "quant_map", "quant_state.bitsandbytes__nf4"),
    "quantised with bitsandbytes": lambda: packed("SCB"),
    "quantised with GPTQ.*from before": lambda: packed("qweight", "qzeros", "scales", "g_idx"),
    "quantised with AWQ": lambda: packed("qweight", "qzeros", "scales"),
    "is quantised. Give": lambda: packed("weight_scale"),
    "text encoder alone.*whole model": lambda: {n: x for n, x in clip().state_dict().items() if n not in ENCODER},
    "a text encoder alone": lambda: {
        name: x for name, x in hugging_face("CLIPModel").state_dict().items() if name.startswith("text")
    },
    "state of an optimiser.*file of the model": optimiser,
    "should hold an image encoder.*`layer1.weight`": lambda: {"layer1.weight": torch.ones(2), "x": torch.ones(2)},
}


@pytest.mark.parametrize("layout", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("told", NAMED)
def test_it_is_named_for_what_it_is(told: str, layout: str, tmp_path: Path) -> None:
    path = save(NAMED[told](), tmp_path / "expert.pt", layout)
    for load in (lambda: load_expert(path, BASE), lambda: load_checkpoint(path, VISUAL)):
        with pytest.raises(BadCheckpoint, match=told) as error:
            load()
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 450
    assert identify(path).warnings[-1]
    [found] = scan(tmp_path).checkpoints
    assert found.kind == "unusable"


def odd_files() -> dict[str, Any]:
    """Objects that hold no plain weights."""
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    optimiser = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(module, {nn.Linear})
    return {
        "optimizer.pt": (optimiser.state_dict(), "state of an optimiser.*file with the weights"),
        "training.pt": ({"optimizer": optimiser.state_dict(), "epoch": 1}, "state of an optimiser"),
        "zero.pt": ({"optimizer_state_dict": {"fp32_flat_groups": [torch.ones(2)]}}, "state of an optimiser"),
        "quantised.pt": (quantised, "quantised.*from before that"),
        "quantised_state.pt": (quantised.state_dict(), "quantised.*from before that"),
        "eight.pt": ({"visual.proj": torch.ones(2).to(torch.float8_e4m3fn)}, "quantised.*from before that"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", odd_files())
def test_objects_without_plain_weights_are_named(name: str, tmp_path: Path) -> None:
    thing, told = odd_files()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(thing, tmp_path / name)
    with pytest.raises(BadCheckpoint, match=told):
        open_checkpoint(tmp_path / name)


def test_eight_bit_numbers_in_safetensors_are_called_quantised(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2).to(torch.float8_e4m3fn)}, tmp_path / "a.safetensors")
    with pytest.raises(BadCheckpoint, match=r"element type 'F8_E4M3'.*quantised"):
        open_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.slow
def test_a_distributed_checkpoint_names_its_converter(tmp_path: Path) -> None:
    folder = tmp_path / "files" / "parts"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distributed.save({"model": dict(ENCODER)}, checkpoint_id=str(folder), no_dist=True)
    for path in (folder, *folder.glob("*.distcp")):
        with pytest.raises(BadCheckpoint, match="dcp_to_torch"):
            open_checkpoint(path)
    [found] = scan(tmp_path / "files").checkpoints
    assert (found.path, found.kind) == (folder, "unusable")


def deepspeed(folder: Path, *names: str) -> Path:
    """A folder of DeepSpeed's with these files of one step."""
    step = folder / "global_step7"
    step.mkdir(parents=True)
    (folder / "latest").write_text("global_step7")
    for name in names:
        half = {key: x.half() for key, x in ENCODER.items()}
        torch.save({"module": half, "optimizer": None, "ds_config": {}}, step / name)
    return folder


def test_a_deepspeed_folder_leads_to_its_weights(tmp_path: Path) -> None:
    names = ("mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    folder = deepspeed(tmp_path / "files", *names)
    expected = {name: x.half() for name, x in ENCODER.items()}
    assert equal(load_checkpoint(folder).tensors, expected)
    assert equal(load_checkpoint(folder / "global_step7").tensors, expected)
    assert any("zero_to_fp32.py" in warning for warning in identify(folder).warnings)
    [found] = scan(tmp_path).checkpoints
    assert (found.path, found.kind) == (folder, "image encoder")


@pytest.mark.parametrize(
    "names",
    [
        ("mp_rank_00_model_states.pt", "mp_rank_01_model_states.pt"),
        ("zero_pp_rank_0_mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt"),
        ("bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",),
    ],
)
def test_a_deepspeed_folder_in_parts_names_its_converter(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match=r"DeepSpeed checkpoint.*zero_to_fp32\.py"):
        open_checkpoint(deepspeed(tmp_path / "run", *names))


@pytest.mark.parametrize("tag", ["../outside", "/etc", ".", "", "global_step8", "a\0b", "global_step7\n../x"])
def test_a_latest_that_leads_elsewhere_is_not_followed(tag: str, tmp_path: Path) -> None:
    deepspeed(tmp_path / "outside", "mp_rank_00_model_states.pt")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "latest").write_text(tag)
    with pytest.raises(BadCheckpoint, match="is a folder without"):
        open_checkpoint(folder)
    (folder / "global_step7").symlink_to(tmp_path / "outside" / "global_step7")
    (folder / "latest").write_text("global_step7")
    with pytest.raises(BadCheckpoint, match="leads out of its folder"):
        open_checkpoint(folder)


@pytest.mark.slow
def test_another_image_size_is_named_with_its_remedy(tmp_path: Path) -> None:
    folder = make_suite(tmp_path).parent
    tensors = load_file(folder / "task0.safetensors")
    tensors["visual.positional_embedding"] = torch.ones(17, 32)
    save_file(tensors, folder / "task0.safetensors")
    [complaint] = check(find(str(folder / "tiny.yaml"))).complaints
    assert "another image size" in complaint.message
    assert "interpolate" in complaint.rows()[-1]["problem"]
    with pytest.raises(BadCheckpoint, match="interpolate its positional embedding"):
        opened(folder)
