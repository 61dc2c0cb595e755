"""Safetensors files, made byte by byte: only what the format describes is read, and nothing is executed."""

from __future__ import annotations

import json
import pickle
import random
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.checkpoints import identify, load_checkpoint
from core.checkpoints.safetensors_file import MAX_HEADER
from core.checkpoints.source import MAX_TENSORS
from core.errors import BadCheckpoint
from core.files import sha256

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


def write(folder: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    """A file with this header (an object, or raw bytes) and data."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def entry(begin: int, end: int, shape: list[Any] | None = None, dtype: str = "F32") -> dict[str, Any]:
    """A tensor's description; by default a vector that fills its bytes."""
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {f"visual.{d}": (torch.rand(3, 5, generator=generator) * 2).to(d) for d in DTYPES}
    tensors |= {"visual.scalar": torch.tensor(3.5), "visual.empty": torch.zeros(0, 4), "text.weight": torch.ones(2)}
    path = tmp_path / "model.safetensors"
    save_file(tensors, path, metadata={"suite": "tiny"})
    found = load_checkpoint(path)
    assert identify(path).metadata == {"suite": "tiny"}
    assert found.sha256 == sha256(path)
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


def test_a_prefix_chooses_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(
        {"visual.weight": torch.ones(2), "text.weight": torch.zeros(2), "visual_not.weight": torch.zeros(2)}, path
    )
    assert load_checkpoint(path, "visual.").tensors.keys() == {"weight"}


def test_what_is_read_does_not_change_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.ones(2000)}, path)
    found = load_checkpoint(path)
    path.write_bytes(b"")  # A mapped file would now kill the process.
    assert found.tensors["weight"].sum() == 2000


ONE = {"a": entry(0, 8)}
GOOD = b"\0" * 8
HUGE = 2**40
BAD: dict[str, tuple[Any, bytes, int | None, str]] = {
    "header longer than the file": (ONE, GOOD, 5000, "not a complete safetensors file"),
    "header of absurd length": (ONE, GOOD, 2**63, "not a complete safetensors file"),
    "header of no length": (ONE, GOOD, 0, "not a complete safetensors file"),
    "no JSON": (b"{" * 20, GOOD, None, "malformed safetensors header"),
    "not UTF-8": (b'{"\xff": 1}', GOOD, None, "malformed safetensors header"),
    "a list": ([ONE], GOOD, None, "malformed safetensors header"),
    "deeply nested": (b"[" * 100_000, GOOD, None, "malformed safetensors header"),
    "long number": (b'{"a": ' + b"1" * 5000 + b"}", GOOD, None, "malformed safetensors header"),
    "repeated name": (b'{"a": %s, "a": %s}' % ((json.dumps(entry(0, 8)).encode(),) * 2), GOOD, None, "occurs twice"),
    "repeated key in an entry": (b'{"a": {"dtype": "F32", "dtype": "F32"}}', GOOD, None, "occurs twice"),
    "too many tensors": ({f"t{i}": entry(0, 0) for i in range(MAX_TENSORS + 1)}, b"", None, "at most 20,000"),
    "odd name": ({"a<script>": entry(0, 8)}, GOOD, None, "unusable name"),
    "name with a newline": ({"a\n": entry(0, 8)}, GOOD, None, "unusable name"),
    "empty name": ({"": entry(0, 8)}, GOOD, None, "unusable name"),
    "long name": ({"a" * 501: entry(0, 8)}, GOOD, None, "unusable name"),
    "entry is text": ({"a": "b"}, GOOD, None, "described wrongly"),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, GOOD, None, "described wrongly"),
    "negative size": ({"a": entry(0, 8, [-2])}, GOOD, None, "described wrongly"),
    "fractional size": ({"a": entry(0, 8, [2.0])}, GOOD, None, "described wrongly"),
    "size true": ({"a": entry(0, 4, [True])}, b"\0" * 4, None, "described wrongly"),
    "enormous size": ({"a": entry(0, 8, [2**60, 2**60])}, GOOD, None, "described wrongly"),
    "too many dimensions": ({"a": entry(0, 8, [1] * 16 + [2])}, GOOD, None, "described wrongly"),
    "three offsets": (
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 9]}},
        GOOD,
        None,
        "described wrongly",
    ),
    "negative offset": ({"a": entry(-8, 0, [2])}, GOOD, None, "described wrongly"),
    "end before begin": ({"a": entry(8, 0, [2])}, GOOD, None, "do not fit its shape"),
    "shape overflow": ({"a": entry(0, 8, [HUGE, HUGE, HUGE])}, GOOD, None, "do not fit its shape"),
    "wrong byte count": ({"a": entry(0, 8, [3])}, GOOD, None, "do not fit its shape"),
    "unknown type": ({"a": entry(0, 8, [8], "F8_E4M3")}, GOOD, None, "element type 'F8_E4M3'"),
    "type in small letters": ({"a": entry(0, 8, [2], "f32")}, GOOD, None, "element type 'f32'"),
    "hole at the start": ({"a": entry(4, 8)}, GOOD, None, "overlapping or missing data at byte 0"),
    "hole between": ({"a": entry(0, 4), "b": entry(8, 12)}, b"\0" * 12, None, "missing data at byte 4"),
    "overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, b"\0" * 12, None, "overlapping or missing data at byte 8"),
    "the same bytes twice": ({"a": entry(0, 8), "b": entry(0, 8)}, GOOD, None, "overlapping or missing"),
    "truncated data": (ONE, b"\0" * 7, None, "truncated"),
    "data left over": (ONE, b"\0" * 9, None, "too long"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_files_are_refused_by_name(case: str, tmp_path: Path) -> None:
    header, data, length, message = BAD[case]
    path = write(tmp_path, header, data, length)
    begin = time.process_time()
    with pytest.raises(BadCheckpoint, match=message) as caught:
        load_checkpoint(path)
    assert time.process_time() - begin < 1
    assert "`model.safetensors`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_header_beyond_the_limit_is_refused_although_it_is_complete(tmp_path: Path) -> None:
    raw = json.dumps(ONE).encode().ljust(MAX_HEADER + 1)
    with pytest.raises(BadCheckpoint, match="10,485,760 bytes, found 10,485,761"):
        load_checkpoint(write(tmp_path, raw, GOOD))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9])
def test_files_shorter_than_any_header_are_refused(size: int, tmp_path: Path) -> None:
    path = tmp_path / "short.safetensors"
    path.write_bytes(b"\x02" * size)
    with pytest.raises(BadCheckpoint, match="not a complete safetensors file"):
        load_checkpoint(path)


def test_a_folder_or_nothing_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match=r"is a folder without config\.json"):
        load_checkpoint(tmp_path)
    with pytest.raises(BadCheckpoint, match=r"`nowhere\.safetensors` can't be read: No such file"):
        load_checkpoint(tmp_path / "nowhere.safetensors")


def test_an_archive_of_numpy_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "head.npz", weight=np.ones((3, 2), np.float32))
    with pytest.raises(BadCheckpoint, match=r"`head\.npz` is an archive of NumPy arrays; save them as safetensors"):
        load_checkpoint(tmp_path / "head.npz")


@pytest.mark.parametrize(("value", "name"), [("nan", "bad"), ("inf", "bad"), ("-inf", "bad")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_nan_and_infinity_name_the_tensor(value: str, name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    spoiled = torch.zeros(3, 3, dtype=dtype)
    spoiled[1, 2] = float(value)
    path = tmp_path / "model.safetensors"
    save_file({"visual.good": torch.zeros(2), f"visual.{name}": spoiled}, path)
    with pytest.raises(BadCheckpoint, match=r"`model\.safetensors`: tensor `visual\.bad` holds NaN or infinite"):
        load_checkpoint(path, "visual.")


class Payload:
    """Runs when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("layout", ["zip", "legacy", "protocol 0", "protocol 5"])
def test_pickles_are_refused_and_never_run(layout: str, tmp_path: Path) -> None:
    path, trap = tmp_path / "model.safetensors", tmp_path / "executed"
    if layout.startswith("protocol"):
        path.write_bytes(pickle.dumps(Payload(trap), protocol=int(layout[-1])))
    else:
        torch.save({"weight": Payload(trap)}, path, _use_new_zipfile_serialization=layout == "zip")
    with pytest.raises(BadCheckpoint, match="None of it was executed" if layout != "protocol 0" else "model"):
        load_checkpoint(path)
    assert not trap.exists()


@pytest.mark.slow
def test_damaged_files_are_refused_or_read_and_never_crash(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"visual.a": torch.randn(3, 4), "visual.b": torch.randn(2)}, path, metadata={"suite": "tiny"})
    whole, chance, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        data = bytearray(whole)
        at = chance.randrange(len(data))
        data[at : at + chance.randrange(4)] = bytes(chance.randrange(256) for _ in range(chance.randrange(4)))
        path.write_bytes(data)
        try:
            load_checkpoint(path)
        except BadCheckpoint:
            refused += 1
    assert 100 < refused < 300


def test_identify_reads_no_numbers(tmp_path: Path) -> None:
    """The header alone tells names, types and shapes: NaN does not matter yet."""
    path = tmp_path / "model.safetensors"
    save_file({"visual.a": torch.full((3, 4), float("nan"))}, path)
    [row] = identify(path).tensors
    assert (row.name, row.dtype, row.shape) == ("visual.a", "float32", (3, 4))
