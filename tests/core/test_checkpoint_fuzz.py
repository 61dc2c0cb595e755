"""Damaged checkpoints by the thousand: each is read or refused by name, and none crashes, whatever byte was hit."""

from __future__ import annotations

import random
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from core.checkpoints import open_checkpoint
from core.errors import BadCheckpoint
from tests.core import hostile
from tests.core.checkpoint_files import save

SEED = 20
LONGEST = 1.0
"""Seconds of the processor."""
as_long_as_there_is_time = pytest.mark.parametrize(
    "mutants",
    [400, pytest.param(2_000, marks=pytest.mark.slow), pytest.param(100_000, marks=pytest.mark.nightly)],
)


def state() -> dict[str, torch.Tensor]:
    """Two small tensors."""
    generator = torch.Generator().manual_seed(0)
    return {"visual.a": torch.randn(2, 3, generator=generator), "visual.b": torch.ones(2, dtype=torch.float16)}


def originals(folder: Path) -> dict[str, list[bytes]]:
    """Format -> the files that are damaged."""
    saved = {layout: [save(state(), folder / "a", layout).read_bytes()] for layout in ("safetensors", "zip", "legacy")}
    for layout in ("zip", "legacy"):
        saved[layout].append(save(nn.Linear(2, 1), folder / "b", layout).read_bytes())
        training = {"model": timm(), "epoch": 3}
        saved[layout] += [save(x, folder / "c", layout).read_bytes() for x in (training, geometric())]
    saved["safetensors"] += [save(x, folder / "d", "safetensors").read_bytes() for x in (timm(), geometric())]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(nn.Linear(2, 1)).save(str(folder / "e"))
    saved["script"] = [(folder / "e").read_bytes()]
    return saved


def timm() -> dict[str, torch.Tensor]:
    """Names of timm's, whose tensors get other shapes."""
    shapes = {"norm_pre.weight": (2,), "cls_token": (1, 1, 2), "pos_embed": (1, 3, 2), "head.weight": (4, 2)}
    return {name: torch.ones(shape) for name, shape in shapes.items()}


def geometric() -> dict[str, torch.Tensor]:
    """A weight that is made of two tensors."""
    shapes = {"visual.class_embedding": (2,), "visual.fc.theta": (3, 2), "visual.fc.r": (3, 1)}
    return {name: torch.ones(shape) for name, shape in shapes.items()}


def program(folder: Path) -> bytes:
    """The objects of a pickled module, without protocol and stop."""
    save(nn.Linear(2, 1), folder / "linear.pt")
    with zipfile.ZipFile(folder / "linear.pt") as archive:
        return archive.read("linear/data.pkl")[2:-1]


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three things done to them."""
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(max(1, len(data) - 1))
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes([data[at] ^ 1 << chance.randrange(8)]) if data else b""
            case 1:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                data[at : at + chance.randrange(1, 9)] = b""
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                data[at:at] = data[at : at + chance.randrange(1, 40)]
            case 5:
                data = data[: max(1, at)]
    return bytes(data)


def survive(make: Callable[[random.Random], bytes], folder: Path, mutants: int) -> tuple[int, int]:
    """Open and read so many mutants, each within `LONGEST`; how many were read, and how many refused."""
    path, chance, read, refused = folder / "mutant", random.Random(SEED), 0, 0
    for _ in range(mutants):
        path.write_bytes(make(chance))
        begin = time.thread_time()
        try:
            opened = open_checkpoint(path)
            assert all(tensor.shape == opened.table[name].shape for name, tensor in opened.read())
            read += 1
        except BadCheckpoint:
            refused += 1
        assert time.thread_time() - begin < LONGEST
    return read, refused


@pytest.mark.slow
@as_long_as_there_is_time
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy", "script"])
def test_damaged_files_are_read_or_refused_by_name(kind: str, mutants: int, tmp_path: Path) -> None:
    files = originals(tmp_path)[kind]
    read, refused = survive(lambda chance: damaged(chance.choice(files), chance), tmp_path, mutants)
    assert read + refused == mutants
    assert refused > mutants / 2


@as_long_as_there_is_time
@pytest.mark.parametrize("layout", hostile.LAYOUTS)
def test_damaged_objects_whose_checksum_is_right_are_read_or_refused_by_name(
    layout: str, mutants: int, tmp_path: Path
) -> None:
    """A zip archive's own checksum refuses nearly all mutants before the objects are looked at: here it is mended."""
    whole, wrap = program(tmp_path), hostile.LAYOUTS[layout]
    numbers = {"0": bytes(8), "1": bytes(4)}
    read, refused = survive(lambda chance: wrap(damaged(whole, chance), numbers), tmp_path, mutants // 4)
    assert read + refused == mutants // 4
    assert refused > mutants / 16
    assert read > 0
