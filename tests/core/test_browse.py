"""Looking for files below the folders that may be opened, and never elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.errors import BadInput
from core.suite.browse import SHOWN, allowed, level


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that may be opened, beside one that may not."""
    for name in ("root/b", "root/A", "root/.hidden", "outside/secret"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("x.pt", "X.safetensors", "list.csv", "set.tar", "config.json", "notes.md", "1.png", "2.JPG", ".a.pt"):
        (tmp_path / "root" / name).touch()
    (tmp_path / "outside/stolen.pt").touch()
    for name, to in {"out": "outside", "file.pt": "outside/stolen.pt", "loop": "root/loop", "in": "root/b"}.items():
        (tmp_path / "root" / name).symlink_to(tmp_path / to)
    return tmp_path / "root"


def test_folders_come_first_and_links_that_lead_out_are_not_there(root: Path) -> None:
    found = level(root, (root,))
    assert found.folders == ("A", "b", "in")
    assert found.files == ("config.json", "list.csv", "set.tar", "x.pt", "X.safetensors")
    assert (found.pictures, found.left) == (2, 0)


@pytest.mark.parametrize(
    "named", ["", ".", "..", "/", "/etc", "/etc/passwd", "ROOT/..", "ROOT/../outside", "ROOT/out", "ROOT/out/secret",
              "ROOT/file.pt", "ROOT/loop", "ROOT/loop/x", "ROOT/nowhere", "ROOT/\0", "~", "x" * 5000, "file:///etc"],
)  # fmt: skip
def test_nothing_outside_is_looked_at(named: str, root: Path) -> None:
    with pytest.raises(BadInput, match="should be one of the folders listed on this page, or in one of them"):
        allowed(named.replace("ROOT", str(root)), (root,))
    for inner in ("", "/A", "/in", "/x.pt", "/A/../b"):
        assert allowed(f"{root}{inner}", (root,)).exists()


def test_what_is_no_folder_is_one_message(root: Path) -> None:
    with pytest.raises(BadInput, match="can't be looked into: Not a directory"):
        level(root / "x.pt", (root,))


def test_ten_thousand_entries_come_in_parts_and_fast(tmp_path: Path) -> None:
    for at in range(300):
        (tmp_path / f"folder {at:03}").mkdir()
    for at in range(10_000):
        (tmp_path / f"{at:05}.pt").touch()
    begin = time.process_time()
    first, second = level(tmp_path, (tmp_path,)), level(tmp_path, (tmp_path,), SHOWN)
    assert time.process_time() - begin < 1
    assert (len(first.folders), first.files, first.left) == (SHOWN, (), 10_300 - SHOWN)
    assert (len(second.folders), second.files[0], second.left) == (300 - SHOWN, "00000.pt", 10_300 - 2 * SHOWN)
    assert level(tmp_path, (tmp_path,), 10_299).files == ("09999.pt",)
    assert level(tmp_path, (tmp_path,), 10_300).left == 0
