"""The page "Checkpoints" without a browser: looking, composing, checking, fetching; one thing at a time."""

from __future__ import annotations

import io
import shutil
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.errors import BadInput
from core.progress import Progress, Remembered
from core.runs.work import Worker
from dashboard.pages.checkpoints.chores import Chores
from tests.authors import make_folder
from tests.dashboard.client import Dashboard
from tests.dashboard.conftest import Site


def result(owner: Dashboard, seconds: float = 60) -> Any:
    """What came of the background work."""
    deadline = time.monotonic() + seconds
    while not (chore := owner.call("bench_poll")["chore"])["ended"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert chore["error"] == ""
    return chore["result"]


def test_from_a_folder_to_a_saved_suite(dashboard_site: Site, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root")
    owner = dashboard_site.owner()
    refused = owner.call("bench_scan", folder=str(root))
    assert "should be one of the folders" in refused["error"]
    assert owner.call("bench_folder", add=str(root))["folders"] == [str(root.resolve())]
    owner.call("bench_scan", folder=str(root))
    found = result(owner)
    assert [one["name"] for one in found["images"]] == ["images/EuroSAT", "images/SUN397"]
    task = found["suggested"]["tasks"][0]
    draft = {
        "name": "bench",
        "base": {"arch": found["configurations"][0]["path"], "weights": found["suggested"]["base"]},
        "tasks": [
            {
                "name": task["name"],
                "expert": {"weights": task["expert"]},
                "data": {"kind": "folder", "path": task["images"]},
                "templates": ["a {}"],
            }
        ],
    }
    owner.call("bench_check", draft=draft)
    assert result(owner) == {"complaints": [], "findings": []}
    broken = draft | {"base": {"arch": "ViT-B-32", "weights": found["suggested"]["base"]}}
    owner.call("bench_check", draft=broken)
    assert result(owner)["complaints"]
    assert owner.call("bench_save", draft=draft)["suite"] == "bench"
    assert "bench" in {suite["name"] for suite in owner.call("setup_catalogue")["suites"]}
    assert "taken" in owner.call("bench_save", draft=draft)["error"]
    shutil.rmtree(root)  # It hides no other suite, and says why it can't be used.
    listed = {suite["name"]: suite["missing"] for suite in owner.call("setup_catalogue")["suites"]}
    assert "leads outside" in listed["bench"][0]
    assert listed["tiny"] == []


@pytest.mark.parametrize("args", [{}, {"draft": 3}, {"draft": {}}, {"draft": {"name": "x" * 100}}])
def test_a_malformed_draft_is_one_message(dashboard_site: Site, args: Any) -> None:
    owner = dashboard_site.owner()
    for name in ("bench_check", "bench_save"):
        assert owner.call(name, **args)["error"]


def test_one_thing_at_a_time_and_it_can_be_stopped() -> None:
    chores, entered = Chores(Worker()), threading.Event()
    assert chores.state() is None

    def work(told: Progress) -> None:
        told.start("Waiting", 10)
        while True:
            entered.set()
            told.advance(0)
            time.sleep(0.01)

    chores.begin("wait", "waiting", work)
    assert entered.wait(10)
    with pytest.raises(BadInput, match="waiting is still running"):
        chores.begin("wait", "waiting again", work)
    chores.cancel()
    deadline = time.monotonic() + 10
    while not (state := chores.state() or {})["ended"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (state["status"], state["error"]) == ("cancelled", "Stopped.")
    chores.begin("done", "something short", lambda _told: 5)


def test_time_left_follows_what_is_done() -> None:
    told, began = Remembered(), time.monotonic()
    told.start("Counting", 4)
    assert told.left is None
    time.sleep(0.05)
    told.advance()
    # Three times as long as the one took, on however busy a machine.
    assert 0.15 <= (told.left or 0) <= 3 * (time.monotonic() - began)


def zipped(files: dict[str, bytes]) -> bytes:
    """A .zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def png() -> bytes:
    """A small image."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (9, 9, 9)).save(buffer, "PNG")
    return buffer.getvalue()


def test_images_come_as_a_zip_file_and_only_from_the_owner(dashboard_site: Site, home: Path) -> None:
    data = zipped({"cats/a.png": png(), "dogs/b.png": png()})
    assert dashboard_site.stranger().post("/images-upload", content=data).status_code == 401
    owner = dashboard_site.owner()
    sent = owner.http.post("/images-upload", content=data).json()
    owner.call("bench_unpack", upload=sent["upload"], name="pets")
    found = result(owner)
    assert [one["classes"] for one in found["images"] if one["name"] == "pets"] == [["cats", "dogs"]]
    assert (home / "images/pets/cats/a.png").is_file()
    assert list((home / "uploads").iterdir()) == []
    assert "no longer here" in owner.call("bench_unpack", upload=sent["upload"], name="again")["error"]


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 65])
def test_an_upload_gets_a_plain_name(dashboard_site: Site, name: str, home: Path) -> None:
    owner = dashboard_site.owner()
    sent = owner.http.post("/images-upload", content=zipped({"a.png": png()})).json()
    assert "should be" in owner.call("bench_unpack", upload=sent["upload"], name=name)["error"]
    assert not (home / "images").exists()


def test_a_zip_file_that_is_none_is_refused_by_name(dashboard_site: Site, home: Path) -> None:
    owner = dashboard_site.owner()
    sent = owner.http.post("/images-upload", content=b"no archive").json()
    owner.call("bench_unpack", upload=sent["upload"], name="broken")
    deadline = time.monotonic() + 30
    while not (chore := owner.call("bench_poll")["chore"])["ended"]:
        assert time.monotonic() < deadline
    assert ".zip" in chore["error"]
    assert not (home / "images/broken").exists()
