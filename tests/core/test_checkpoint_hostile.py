"""Hostile checkpoints: refused with one line, quickly, in little memory, and nothing in them is executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from core.checkpoints import load_checkpoint, open_checkpoint
from core.encoders.family import architecture
from core.errors import BadCheckpoint
from tests.core import hostile
from tests.core.checkpoint_files import hugging_face, save

ROOT = Path(__file__).resolve().parent.parent.parent
MILLION_LISTS, MEGABYTES = 1.5, 200.0
"""Most time a file may take, told in what making and dropping a million lists takes on the same processor."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of all hostile files, which a process of its own opened under an audit hook."""
    folder = tmp_path_factory.mktemp("hostile")
    command = [sys.executable, "-m", "tests.core.hostile_child", str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert not [path for root in (folder, ROOT) for path in root.glob("*canary*")]
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("which", ["payloads", "bombs"])
def test_hostile_files_are_refused_and_nothing_runs(which: str, opened: dict[str, Any]) -> None:
    found = opened[which]
    assert len(found) > {"payloads": 1000, "bombs": 90}[which]
    assert {name: answer[3] for name, answer in found.items() if answer[3]} == {}
    assert [name for name, answer in found.items() if answer[0] == "read"] == []
    for name, (message, time, megabytes, _) in found.items():
        assert time <= MILLION_LISTS, name
        assert megabytes <= MEGABYTES, name
        assert message.startswith("`"), name
        assert len(message) < 400, name
        assert "\n" not in message, name


@pytest.mark.slow
def test_payloads_where_nothing_looks_do_not_run_either(opened: dict[str, Any]) -> None:
    found = opened["odd"]
    assert {answer[0] for answer in found.values()} == {"read"}
    assert {name: answer[3] for name, answer in found.items() if answer[3]} == {}


def test_the_payloads_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the reader withstands does run in plain PyTorch: the test above would notice."""
    monkeypatch.chdir(tmp_path)
    for layout, wrap in hostile.LAYOUTS.items():
        path = tmp_path / f"{layout}.pt"
        path.write_bytes(
            wrap(hostile.state_dict(("a", hostile.tensor()), ("b", hostile.called("os.mkdir", (layout + "ran",)))))
        )
        torch.load(path, weights_only=False)
        assert (tmp_path / f"{layout}ran").is_dir()
        good = tmp_path / f"good-{layout}.pt"
        good.write_bytes(wrap(hostile.state_dict(("a", hostile.tensor()))))
        assert torch.equal(load_checkpoint(good).tensors["a"], torch.load(good, weights_only=True)["a"])
    assert len({name for name, _ in hostile.CALLS}) >= 80


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("left", [0, 9, 100, -1000])
def test_a_file_truncated_while_it_is_read_does_not_kill_the_process(kind: str, left: int, tmp_path: Path) -> None:
    path = save({"weight": torch.ones(5000)}, tmp_path / "model", kind)
    checkpoint = open_checkpoint(path)
    os.truncate(path, left if left >= 0 else path.stat().st_size + left)
    with pytest.raises(BadCheckpoint, match=r"ended inside|wrong checksum|complete safetensors"):
        dict(checkpoint.read())


def test_a_flipped_bit_in_the_numbers_of_a_zip_file_is_noticed(tmp_path: Path) -> None:
    path = save({"weight": torch.ones(5000)}, tmp_path / "model.pt")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BadCheckpoint, match=r"numbers of tensor `weight` are damaged \(wrong checksum\)"):
        load_checkpoint(path)


def folder_of(tmp_path: Path) -> Path:
    """A Hugging Face folder."""
    folder = tmp_path / "model"
    hugging_face("CLIPVisionModelWithProjection").save_pretrained(folder)
    return folder


def change(path: Path, **values: Any) -> None:
    """Change a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.slow
def test_a_folder_that_asks_for_its_code_to_run_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    change(folder / "config.json", auto_map={"AutoModel": "modeling.Model"})
    (folder / "modeling.py").write_text("raise SystemExit('executed')")
    with pytest.raises(BadCheckpoint, match="`auto_map`, which asks to run code"):
        load_checkpoint(folder)


@pytest.mark.parametrize("kind", ["siglip", "bert", 3, None, {}])
def test_a_folder_of_another_model_is_named(kind: Any, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    change(folder / "config.json", model_type=kind)
    with pytest.raises(BadCheckpoint, match="should hold a CLIP model"):
        load_checkpoint(folder, arch=architecture("ViT-B-32"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_links_out_of_a_folder_are_not_followed(name: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    outside = (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(outside)
    with pytest.raises(BadCheckpoint, match="leads out of its folder"):
        load_checkpoint(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(name)
    with pytest.raises(BadCheckpoint, match=r"leads out of its folder|can't be read"):
        load_checkpoint(folder)


def test_the_links_of_the_hub_s_cache_are_followed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    snapshot, blobs = tmp_path / "repo" / "snapshots" / "abc", tmp_path / "repo" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in folder.iterdir():
        file.rename(blobs / f"sha-{file.name}")
        (snapshot / file.name).symlink_to(f"../../blobs/sha-{file.name}")
    assert "visual.proj" in load_checkpoint(snapshot).tensors


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(BadCheckpoint, match="is not a regular file"):
            load_checkpoint(tmp_path / name)


def sharded(tmp_path: Path) -> Path:
    """A folder of several shards."""
    folder = tmp_path / "sharded"
    hugging_face("CLIPModel").save_pretrained(folder, max_shard_size="200KB")
    assert len(list(folder.glob("*.safetensors"))) >= 2
    return folder


@pytest.mark.slow
def test_shards_are_read_as_one_checkpoint(tmp_path: Path) -> None:
    hugging_face("CLIPModel").save_pretrained(tmp_path / "whole")
    found, whole = load_checkpoint(sharded(tmp_path)), load_checkpoint(tmp_path / "whole")
    assert found.tensors.keys() == whole.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in whole.tensors.items())


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"a": "../model.safetensors"}, "files in its own folder"),
        ({"a": "/etc/passwd"}, "files in its own folder"),
        ({"a": ".hidden"}, "files in its own folder"),
        ({"a": "missing.safetensors"}, "can't be read"),
        ({"a": 3}, "should map tensors to files"),
        ({}, "1 to 1000 shards"),
        ({f"t{n}": f"{n}.safetensors" for n in range(1001)}, "1 to 1000 shards"),
        ([], "should map tensors to files"),
    ],
)  # fmt: skip
def test_an_index_that_lies_is_refused(weight_map: Any, message: str, tmp_path: Path) -> None:
    folder = sharded(tmp_path)
    change(folder / "model.safetensors.index.json", weight_map=weight_map)
    with pytest.raises(BadCheckpoint, match=message):
        load_checkpoint(folder)


def test_a_tensor_that_no_shard_has_is_named(tmp_path: Path) -> None:
    folder = sharded(tmp_path)
    index = folder / "model.safetensors.index.json"
    weight_map = json.loads(index.read_text())["weight_map"]
    change(index, weight_map=weight_map | {"nowhere.weight": next(iter(weight_map.values()))})
    with pytest.raises(BadCheckpoint, match=r"`nowhere\.weight` should be in .*no shard"):
        load_checkpoint(folder)
    change(index, weight_map={name: file for name, file in weight_map.items() if name != "logit_scale"})
    with pytest.raises(BadCheckpoint, match="`logit_scale`"):
        load_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a":' * 100_000, "[" * 100_000, "\xff", "{}" * 5_000_000])
def test_a_configuration_that_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "config.json").write_text(text, "latin-1")
    with pytest.raises(BadCheckpoint, match="should be a JSON object"):
        load_checkpoint(folder)


def test_a_folder_with_a_configuration_and_no_weights_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadCheckpoint, match=r"no weights; expected one of model\.safetensors"):
        load_checkpoint(tmp_path)


def test_a_header_whose_length_begins_like_another_format_is_still_safetensors(tmp_path: Path) -> None:
    """A length of 0x…4b50 begins with the letters of a zip archive, one of 0x…80 with those of a pickle."""
    for length in (0x4B50, 0x0280, 0x0480):
        save_file({"a": torch.ones(2)}, tmp_path / "small")
        raw = (tmp_path / "small").read_bytes()
        own = int.from_bytes(raw[:8], "little")
        padded = raw[8 : 8 + own].ljust(length)
        (tmp_path / "model").write_bytes(length.to_bytes(8, "little") + padded + raw[8 + own :])
        assert load_checkpoint(tmp_path / "model").tensors["a"].sum() == 2
