"""Checkpoint folders: what may be opened from a suite, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from core.errors import BadInput, BadSuite
from core.suite.find import find
from core.suite.roots import ENVIRONMENT, add_root, remove_root, roots
from tests.tiny import make_suite


def test_a_folder_is_remembered_once_and_forgotten_on_demand(tmp_path: Path) -> None:
    assert roots() == ()
    add_root(str(tmp_path))
    add_root(str(tmp_path))
    assert roots() == (tmp_path.resolve(),)
    remove_root(str(tmp_path.resolve()))
    assert roots() == ()
    assert tmp_path.is_dir()


def test_the_environment_names_folders_for_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.setenv(ENVIRONMENT, os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "absent")]))
    assert roots() == ((tmp_path / "a").resolve(),)


@pytest.mark.parametrize("folder", ["", " ", "/", "/no/such/folder", "a\0b", "x" * 5000, "~nobody-of-that-name/x"])
def test_what_is_no_folder_of_a_person_is_refused(folder: str) -> None:
    with pytest.raises(BadInput, match="A checkpoint folder should"):
        add_root(folder)
    assert roots() == ()


def test_a_folder_that_was_never_added_can_not_be_removed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="remembered"):
        remove_root(str(tmp_path))


def test_a_suite_opens_files_of_its_own_folder_and_of_checkpoint_folders_only(suite: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (suite.parent / "task0.safetensors").rename(elsewhere / "expert.safetensors")
    entry = yaml.safe_load(suite.read_text())
    for named in (str(elsewhere / "expert.safetensors"), "expert.safetensors"):
        entry["tasks"][0]["expert"]["weights"] = named
        suite.write_text(yaml.safe_dump(entry))
        file = find(str(suite))
        if Path(named).is_absolute():
            with pytest.raises(BadSuite, match="leads outside"):
                file.missing()
        else:
            assert len(file.missing()) == 1
        add_root(str(elsewhere))
        assert file.missing() == []
        assert file.resolve(named) == elsewhere / "expert.safetensors"
        with pytest.raises(BadSuite, match="leads outside"):
            file.resolve("../elsewhere/../../x")
        remove_root(str(elsewhere))


def test_a_link_out_of_a_checkpoint_folder_is_not_followed(suite: Path, tmp_path: Path) -> None:
    secret, root = tmp_path / "secret.safetensors", tmp_path / "root"
    secret.write_bytes(b"x")
    root.mkdir()
    (root / "link.safetensors").symlink_to(secret)
    add_root(str(root))
    with pytest.raises(BadSuite, match="leads outside"):
        find(str(suite)).resolve("link.safetensors")


@pytest.mark.skipif(os.name == "nt", reason="drives are there on Windows")
@pytest.mark.parametrize("path", ["C:\\models\\a.pt", "d:/models/a.pt", "\\\\server\\share\\a.pt"])
def test_a_path_of_windows_says_what_to_do_elsewhere(path: str, tmp_path: Path) -> None:
    file = find(str(make_suite(tmp_path)))
    with pytest.raises(BadSuite, match=r"is a path of Windows.*folders add"):
        file.resolve(path)


def test_backslashes_in_relative_paths_work_everywhere(tmp_path: Path) -> None:
    file = find(str(make_suite(tmp_path)))
    (tmp_path / "experts" / "new").mkdir(parents=True)
    (tmp_path / "task0.safetensors").rename(tmp_path / "experts" / "new" / "a.safetensors")
    assert file.resolve("experts\\new\\a.safetensors") == tmp_path / "experts" / "new" / "a.safetensors"
    with pytest.raises(BadSuite, match="leads outside"):
        file.resolve("..\\outside.pt")
