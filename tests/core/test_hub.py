"""Fetching checkpoints, against a server on this machine that is laid out like the hub."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from core.errors import BadInput, Cancelled, MergescopeError
from core.hub.download import CHUNK, fetch, plan
from core.hub.listing import HubReference, local_folder
from core.progress import Progress
from tests.core.hub_server import COMMIT, Hub, serve

REPO = "owner/model"
WEIGHTS = bytes(range(256)) * (3 * CHUNK // 256) + b"end"
FILES = {
    "config.json": b'{"model_type": "clip_vision_model"}',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"the same once more",
    "README.md": b"not needed",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one model; the tests' general ban on hubs is lifted for it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve(tmp_path / "hub") as running:
        running.add(REPO, FILES)
        yield running


def fetched(hub: Hub, reference: HubReference) -> Path:
    """The folder of a reference, fetched from `hub`."""
    [folder] = fetch(plan([reference], hub.address), endpoint=hub.address)
    return folder


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_model_is_fetched_once_and_then_found_on_disk(hub: Hub, revision: str) -> None:
    reference = HubReference.parse(f"hub:{REPO}@{revision}")
    assert local_folder(reference) is None
    folder = fetched(hub, reference)
    assert folder.name == COMMIT
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "listing.json"}
    assert local_folder(reference) == folder
    assert plan([reference], hub.address) == []


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(hub: Hub) -> None:
    hub.break_after = [CHUNK + 1, 5]
    folder = fetched(hub, HubReference(REPO))
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [wanted for name, wanted in hub.requests if name == "model.safetensors"]
    assert len(ranges) == 3
    assert all(wanted and wanted.startswith("bytes=") for wanted in ranges[1:])


def test_a_fetch_that_was_cancelled_keeps_what_arrived(hub: Hub) -> None:
    class Stopping(Progress):
        def advance(self, units: int = 1) -> None:
            raise Cancelled("stopped")

    wanted = plan([HubReference(REPO)], hub.address)
    with pytest.raises(Cancelled):
        fetch(wanted, Stopping(), hub.address)
    hub.requests.clear()
    [again] = plan([HubReference(REPO)], hub.address)
    assert again.remaining < wanted[0].remaining
    fetched(hub, HubReference(REPO))
    assert any(wanted and wanted != "bytes=0-" for _, wanted in hub.requests) or len(hub.requests) == 1
    folder = local_folder(HubReference(REPO))
    assert folder is not None
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_a_file_that_arrives_damaged_is_refused_and_fetched_anew(hub: Hub) -> None:
    hub.spoil = True
    with pytest.raises(MergescopeError, match="of other content"):
        fetched(hub, HubReference(REPO))
    assert local_folder(HubReference(REPO)) is None
    hub.spoil = False
    assert (fetched(hub, HubReference(REPO)) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("hub:owner/absent", "was not found"),
        ("hub:gated/model", "is gated"),
        (f"hub:{REPO}@v9", "no revision `v9`"),
    ],
)
def test_what_the_hub_does_not_give_is_one_line(hub: Hub, reference: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        plan([HubReference.parse(reference)], hub.address)
    assert "\n" not in str(caught.value)


def test_a_repository_without_weights_is_refused(hub: Hub) -> None:
    hub.add("owner/empty", {"README.md": b"", "flax_model.msgpack": b"x"})
    with pytest.raises(BadInput, match=r"should have weights such as model.safetensors. Found: README.md, flax"):
        plan([HubReference("owner/empty")], hub.address)


def test_a_hub_that_can_not_be_reached_is_told(hub: Hub) -> None:
    with pytest.raises(MergescopeError, match="can't be reached"):
        plan([HubReference(REPO)], "http://127.0.0.1:9")


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = plan([HubReference(REPO)], hub.address)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(BadInput, match="GiB free"):
        fetch(wanted, endpoint=hub.address)
    assert hub.requests == []


def test_what_another_tool_fetched_into_the_hub_library_s_cache_is_used(hub: Hub) -> None:
    cache = Path(huggingface_hub.constants.HF_HUB_CACHE) / "models--owner--model"
    folder = cache / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text(COMMIT)
    (folder / "config.json").write_bytes(b"{}")
    assert local_folder(HubReference(REPO)) is None
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    assert local_folder(HubReference(REPO)) == folder


def test_a_pretrained_tag_of_open_clip_is_the_repository_that_open_clip_takes_it_from(hub: Hub) -> None:
    reference = HubReference.parse("open_clip:ViT-B-32-quickgelu/openai")
    assert reference.repo == "timm/vit_base_patch32_clip_224.openai"
    hub.add(
        reference.repo,
        {"open_clip_config.json": b"{}", "open_clip_model.safetensors": WEIGHTS, "model.safetensors": b"other names"},
    )
    assert {path.name for path in fetched(hub, reference).iterdir()} >= {"open_clip_model.safetensors"}
    assert not any(name == "model.safetensors" for name, _ in hub.requests)


@pytest.mark.parametrize("text", ["open_clip:", "open_clip:ViT-B-32", "open_clip:ViT-B-32/none", "open_clip:x/openai"])
def test_an_unknown_tag_lists_what_there_is(text: str) -> None:
    with pytest.raises(BadInput, match="tags of"):
        HubReference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "owner/model",
        "hub:model",
        "hub:https://example.org/model",
        "hub:../../etc/passwd",
        "hub:owner/../model",
        "hub:owner/model@../x",
        "hub:owner/model@a b",
        "hub:owner/mo del",
        "hub:owner/model@" + "a" * 200,
        "hub:",
    ],
)
def test_only_a_repository_can_be_named(text: str) -> None:
    with pytest.raises(BadInput, match="hub:owner/name"):
        HubReference.parse(text)
