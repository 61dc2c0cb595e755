"""A run as a folder of the hub: transformers loads it and answers as we do; and it arrives where it is sent."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import open_clip
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

from core.checkpoints import identify, load_checkpoint
from core.encoders.family import architecture
from core.encoders.models import Architecture
from core.encoders.preprocessing import normalise
from core.errors import BadInput
from core.export.publish import CannotSend, push_to_hub
from core.export.transformers_model import write_model
from tests.core.checkpoint_files import clip
from tests.tiny import CONFIG, IMAGE_SIZE

Cli = Callable[..., Any]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def arch(**changes: Any) -> Architecture:
    """The tiny architecture."""
    return Architecture("tiny", CONFIG | changes)


@pytest.mark.slow
@pytest.mark.parametrize("quick_gelu", [True, False])
@pytest.mark.parametrize("part", ["model", "image encoder"])
def test_transformers_loads_it_and_gives_the_same_features(part: str, quick_gelu: bool, tmp_path: Path) -> None:
    model = clip(3, quick_gelu=quick_gelu)
    tensors = {n: x for n, x in model.state_dict().items() if part == "model" or n.startswith("visual.")}
    kind = write_model(tensors, arch(quick_gelu=quick_gelu), tmp_path, {"run": "abc"})
    theirs = getattr(transformers, kind).from_pretrained(tmp_path).eval()
    pictures = torch.randint(0, 256, (3, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=torch.uint8)
    processor = transformers.CLIPImageProcessor.from_pretrained(tmp_path)
    pixels = processor(images=[Image.fromarray(x.numpy()) for x in pictures], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(pixels, normalise(arch(), pictures), **CLOSE)
    with torch.no_grad():
        expected = model.encode_image(pixels)
        if part == "image encoder":
            assert kind == "CLIPVisionModelWithProjection"
            torch.testing.assert_close(theirs(pixels).image_embeds, expected, **CLOSE)
        else:
            assert kind == "CLIPModel"
            torch.testing.assert_close(theirs.get_image_features(pixel_values=pixels).pooler_output, expected, **CLOSE)
            words = ["a photo of a cat", "Two DOGS, barking!"]
            tokens = transformers.CLIPTokenizer.from_pretrained(tmp_path)(words, padding=True, return_tensors="pt")
            ours = open_clip.SimpleTokenizer(context_length=16)(words)
            text = theirs.get_text_features(**tokens).pooler_output
            torch.testing.assert_close(text, model.encode_text(ours), **CLOSE)
            torch.testing.assert_close(theirs.logit_scale, model.logit_scale)
    again = load_checkpoint(tmp_path)
    assert again.quick_gelu is quick_gelu
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in tensors.items())
    assert identify(tmp_path).metadata["run"] == "abc"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("RN50", "residual network"),
        ("convnext_tiny", "timm_model_name"),
        ("EVA02-B-16", "custom_text"),
    ],
)
def test_what_hugging_face_s_clip_cannot_compute_is_refused_by_name(name: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=word):
        write_model({}, architecture(name), tmp_path, {})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def run_id(cli: Cli, tiny_suite: Path) -> str:
    """A finished run of two steps."""
    cli("merge", tiny_suite, "--set", "steps=2", "--set", "batch=4", "--json")
    return str(cli("runs", "list", "--json").data["runs"][0]["id"])


@pytest.mark.slow
def test_a_run_is_exported_as_a_folder(cli: Cli, run_id: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    answer = cli("runs", "export", run_id, "--format", "hf", "--out", folder)
    assert answer.status == 0, answer.err
    assert "CLIPModel.from_pretrained" in answer.out
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "model.safetensors", "config.json", "preprocessor_config.json", "report.json", "coefficients.csv",
        "coefficients.png", "vocab.json", "merges.txt", "tokenizer_config.json",
    }  # fmt: skip
    cli("runs", "export", run_id, "--out", tmp_path / "plain.safetensors")
    plain, found = load_file(tmp_path / "plain.safetensors"), load_checkpoint(folder).tensors
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in plain.items())
    card = (folder / "README.md").read_text("utf-8")
    for words in (
        "library_name: transformers",
        "| task0 |",
        "CLIPModel.from_pretrained",
        "(coefficients.png)",
        "SHA-256",
    ):
        assert words in card
    picture = np.asarray(Image.open(folder / "coefficients.png").convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]
    cli("runs", "export", run_id, "--format", "hf", "--out", folder).refused("new or empty folder")


@pytest.mark.slow
def test_sending_needs_a_folder_and_a_name(cli: Cli, run_id: str, tmp_path: Path) -> None:
    cli("runs", "export", run_id, "--push", "me/model").refused("--format hf")
    for name in ("model", "a/b/c", "../x", "https://huggingface.co/me/model", "me/"):
        folder = tmp_path / "folder"
        cli("runs", "export", run_id, "--format", "hf", "--out", folder, "--push", name).refused("owner/name")
        assert not folder.exists()


class Receiver:
    """What a small hub on this machine was sent."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.created: dict[str, Any] = {}
        self.tokens: set[str | None] = set()
        self.status = 200
        self.address = ""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The running server; the tests' general ban on hubs is lifted for it."""
    hub = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Be quiet."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hub.tokens.add(self.headers.get("Authorization"))
            answer: dict[str, Any] = {}
            if self.path.endswith("/repos/create"):
                hub.created = json.loads(body)
                answer = {"url": f"{hub.address}/me/model"}
            elif "/preupload/" in self.path:
                files = json.loads(body)["files"]
                answer = {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
            elif "/commit/" in self.path:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                answer = {"commitUrl": f"{hub.address}/me/model/commit/{'0' * 40}", "commitOid": "0" * 40}
            raw = json.dumps(answer if hub.status == 200 else {"error": "no"}).encode()
            self.send_response(hub.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("private", [True, False])
def test_a_folder_arrives_whole(private: bool, receiver: Receiver, tmp_path: Path) -> None:
    sent = {
        "config.json": b"{}",
        "model.safetensors": bytes(range(256)) * 40,
        "README.md": b"---\ntags: []\n---\n# x\n",
    }
    for name, raw in sent.items():
        (tmp_path / name).write_bytes(raw)
    address = push_to_hub(tmp_path, "me/model", private=private, token="hf_x", endpoint=receiver.address)
    assert address.endswith("0" * 40)
    assert receiver.files == sent
    assert receiver.tokens == {"Bearer hf_x"}
    assert (receiver.created["name"], receiver.created.get("organization")) == ("model", "me")
    assert receiver.created.get("private", receiver.created.get("visibility") == "private") is private


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusal_of_the_hub_is_told_and_the_folder_stays(status: int, receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    receiver.status = status
    with pytest.raises(CannotSend, match=rf"`me/model` could not be uploaded.*{status}.*is complete") as caught:
        push_to_hub(tmp_path, "me/model", token="hf_secret", endpoint=receiver.address)
    assert "hf_secret" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
