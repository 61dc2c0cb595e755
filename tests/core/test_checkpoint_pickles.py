"""Pickled PyTorch files: what plain torch.load would give, from files whose classes can't even be imported."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import types
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torch import Tensor, nn

from core.checkpoints import Kind, identify, load_checkpoint, load_expert, open_checkpoint, trained_head
from core.errors import BadCheckpoint
from tests.core.checkpoint_files import clip, equal, save

LAYOUTS = ("zip", "legacy")
MODULE = "src_modeling_that_is_gone"


@pytest.fixture
def authors() -> Iterator[Any]:
    """The AdaMerging authors' encoder and head as classes of a module that stops being importable after the test."""
    module: Any = types.ModuleType(MODULE)

    class ImageEncoder(nn.Module):
        def __init__(self, quick_gelu: bool) -> None:
            super().__init__()
            self.model = clip(2, quick_gelu=quick_gelu)
            self.train_preprocess = open_clip.image_transform(16, is_train=True)
            self.val_preprocess = open_clip.image_transform(16, is_train=False)
            self.cache_dir = Path("cache")
            del self.model.transformer

    class ClassificationHead(nn.Linear):
        def __init__(self, weights: Tensor, bias: bool = True) -> None:
            super().__init__(weights.shape[1], weights.shape[0], bias=bias)
            self.normalize = True
            self.weight = nn.Parameter(weights.clone())
            if bias:
                self.bias = nn.Parameter(torch.zeros_like(self.bias))

    for cls in (ImageEncoder, ClassificationHead):
        cls.__module__, cls.__qualname__ = MODULE, cls.__name__
        setattr(module, cls.__name__, cls)
    sys.modules[MODULE] = module
    yield module
    del sys.modules[MODULE]


def write(thing: Any, path: Path, layout: str, **options: Any) -> Path:
    """Save a whole module. Its source text, which legacy files keep, can't be found: PyTorch warns of that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return save(thing, path, layout, **options)


@pytest.mark.slow
@pytest.mark.parametrize("quick_gelu", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pickled_encoder_is_read_where_its_class_is_gone(
    layout: str, protocol: int, quick_gelu: bool, authors: Any, tmp_path: Path
) -> None:
    encoder = authors.ImageEncoder(quick_gelu)
    path = write(encoder, tmp_path / "finetuned.pt", layout, pickle_protocol=protocol)
    expected = {name.removeprefix("model."): x for name, x in encoder.state_dict().items()}
    del sys.modules[MODULE]
    found = load_checkpoint(path)
    sys.modules[MODULE] = authors
    assert equal(found.tensors, expected)
    assert found.quick_gelu is quick_gelu
    verdict = identify(path)
    assert verdict.kind == Kind.ENCODER  # Its text transformer was deleted before it was saved.
    assert ("no checksum" in " ".join(verdict.warnings)) == (layout == "legacy")
    base = {name.removeprefix("visual."): x for name, x in clip(1).state_dict().items() if name.startswith("visual.")}
    assert load_expert(path, base).tensors.keys() == base.keys()


@pytest.mark.slow
def test_a_process_that_never_knew_the_class_reads_it(authors: Any, tmp_path: Path) -> None:
    """The test above only takes the class away from this process."""
    encoder = authors.ImageEncoder(True)
    path = write(encoder, tmp_path / "finetuned.pt", "zip")
    script = (
        "import json, sys, pathlib, torch, hashlib\n"
        "from core.checkpoints import load_checkpoint\n"
        f"found = load_checkpoint(pathlib.Path({str(path)!r})).tensors\n"
        "assert not any(name.startswith('src_') for name in sys.modules)\n"
        "print(json.dumps({n: hashlib.sha256(t.numpy().tobytes()).hexdigest() for n, t in found.items()}))\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == {
        name.removeprefix("model."): hashlib.sha256(tensor.numpy(force=True).tobytes()).hexdigest()
        for name, tensor in encoder.state_dict().items()
    }


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pickled_head_is_read(layout: str, bias: bool, authors: Any, tmp_path: Path) -> None:
    weights = torch.randn(5, 16)
    path = write(authors.ClassificationHead(weights, bias), tmp_path / "head_MNIST.pt", layout)
    assert torch.equal(trained_head(open_checkpoint(path), 5, 16), weights)
    assert identify(path).kind == Kind.HEAD
    with pytest.raises(BadCheckpoint, match="is a classification head; expected an image encoder"):
        load_expert(path, {})


def test_the_bias_of_a_head_is_its_last_column(authors: Any, tmp_path: Path) -> None:
    head = authors.ClassificationHead(torch.randn(5, 16))
    head.bias.data += 1
    found = trained_head(open_checkpoint(write(head, tmp_path / "head.pt", "zip")), 5, 16)
    assert torch.equal(found, torch.cat([head.weight, head.bias[:, None]], dim=1))


def test_an_encoder_is_no_head(tmp_path: Path) -> None:
    path = save(clip().state_dict(), tmp_path / "model.pt")
    with pytest.raises(BadCheckpoint, match=r"should hold one head of shape \[5, 16\]"):
        trained_head(open_checkpoint(path), 5, 16)


@pytest.mark.grid
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model", "model_state_dict"])
def test_state_dicts_are_read_alone_and_inside_what_training_saves(wrapper: str, layout: str, tmp_path: Path) -> None:
    tensors = clip().state_dict()
    optimiser = torch.optim.AdamW(clip().parameters()).state_dict()
    saved = {wrapper: tensors, "epoch": 3, "optimizer": optimiser, "loss": 0.5} if wrapper else tensors
    path = save(saved, tmp_path / "model.bin", layout)
    assert equal(load_checkpoint(path).tensors, dict(tensors))
    assert ("entries that are not tensors" in " ".join(identify(path).warnings)) == bool(wrapper)


class Odd(nn.Module):
    """Every way in which parameters and buffers can be held."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.tied = self.layer
        self.frozen = nn.Parameter(torch.randn(2, 5).T, requires_grad=False)
        self.register_buffer("kept", torch.arange(7)[::2])
        self.register_buffer("not_kept", torch.ones(3), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("none", None)
        self.norm = nn.BatchNorm2d(3)
        self.parts = nn.ModuleList([nn.Conv2d(1, 2, 3), nn.ModuleDict({"a": nn.Embedding(4, 2)})])
        self.list = nn.ParameterList([torch.randn(2), torch.tensor(3.5)])


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_module_gives_its_own_state_dict(layout: str, protocol: int, tmp_path: Path) -> None:
    module = Odd()
    path = write(module, tmp_path / "odd.pt", layout, pickle_protocol=protocol)
    found = load_checkpoint(path).tensors
    assert equal(found, dict(module.state_dict()))
    assert list(found) == list(module.state_dict())


DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_of_every_kind_come_back_bit_for_bit(layout: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(40, generator=generator)
    tensors = {str(d): (torch.rand(3, 5, generator=generator) * 2).to(d) for d in DTYPES}
    tensors |= {"scalar": torch.tensor(3.5), "empty": torch.zeros(0, 4), "turned": torch.randn(3, 4).T}
    tensors |= {"view": shared[3:19].view(4, 4), "every other": shared[::2], "same": shared, "again": shared}
    tensors |= {"wide": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)}
    tensors = {name.replace(" ", "_"): x for name, x in tensors.items()}
    found = load_checkpoint(save(tensors, tmp_path / "t.pt", layout)).tensors
    assert equal(found, tensors)
    assert all(x.is_contiguous() for x in found.values())
    found["view"] += 1  # None of them shares its numbers with another.
    assert torch.equal(found["same"], tensors["same"])


def test_ordered_dicts_and_their_metadata_are_plain_state_dicts(tmp_path: Path) -> None:
    module = nn.BatchNorm1d(3)
    assert hasattr(module.state_dict(), "_metadata")
    ordered = OrderedDict(a=torch.ones(2), b=torch.zeros(1))
    assert load_checkpoint(save(ordered, tmp_path / "a.pt")).tensors.keys() == {"a", "b"}
    assert equal(load_checkpoint(save(module.state_dict(), tmp_path / "b.pt")).tensors, dict(module.state_dict()))


def special() -> dict[str, Any]:
    """Things that a state dict may hold and that are no dense tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] = {
            "sparse": torch.eye(3).to_sparse(),
            "compressed": torch.eye(3).to_sparse_csr(),
            "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
            "numpy": np.ones(3),
            "on no device": torch.empty(3, device="meta"),
            "complex": torch.ones(2, dtype=torch.complex64),
            "eight bits": torch.ones(2).to(torch.float8_e4m3fn),
        }
        subclass = torch.ones(2).as_subclass(type("Own", (torch.Tensor,), {"__module__": __name__}))
    globals()["Own"] = type(subclass)
    return found | {"subclass": subclass}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", special())
def test_special_tensors_are_an_error_and_never_skipped(case: str, layout: str, tmp_path: Path) -> None:
    value = special()[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save({"good": torch.ones(2), "odd": value}, tmp_path / "t.pt", layout)
    with pytest.raises(BadCheckpoint, match=r"expected a dense tensor|element type that is not supported"):
        load_checkpoint(path)
    module = nn.Linear(1, 1)
    if isinstance(value, torch.Tensor):
        module.register_buffer("odd", value)
        path = write(module, tmp_path / "m.pt", layout)
        with pytest.raises(BadCheckpoint, match=r"expected a dense tensor|element type that is not supported"):
            load_checkpoint(path)
