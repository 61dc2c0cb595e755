"""Whatever refuses while something is written: one line, what was there stays, and nothing half-written does."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from core.errors import CannotWrite
from core.files import _HERE, replacing, scratch, write_atomically, write_text
from core.store import Store, state
from core.store.opened import OpenedStore
from tests.core.store_help import new_run, step


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """A system that refuses files of more than `size` bytes, as a full disk does, whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_library_that_raises_no_oserror_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"previous")
    with little_room(1000), pytest.raises(CannotWrite, match=r"m\.safetensors failed: the file is larger") as caught:
        write_atomically(path, lambda file: save_file({"x": torch.zeros(1000)}, file))
    assert "\n" not in str(caught.value)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(path.name, b"previous")]


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("\N{OLD PERSIAN NUMBER ONE}" * 63)
    write_text(path, "x")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_large_state_on_a_full_disk_fails_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LIMIT", 100)
    with Store.open(tmp_path) as store:
        run_id = new_run(store)
        store.record(run_id, step(0, state=lambda: {"x": torch.zeros(200)}))
        with little_room(1000), pytest.raises(CannotWrite, match="larger than this system allows"):
            store.record(run_id, step(1, state=lambda: {"x": torch.zeros(1000)}))
        assert (store.last_state(run_id) or (None,))[0] == 0
        assert len(list((tmp_path / "artefacts" / run_id).iterdir())) == 1


def test_what_a_killed_process_left_goes_with_the_next_write_and_what_is_being_written_stays(tmp_path: Path) -> None:
    program = "import os; from core.files import replacing; from pathlib import Path\n"
    program += f"with replacing(Path({str(tmp_path)!r}, 'access.json')) as file:\n  file.write_text('key'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert [left.is_dir() for left in tmp_path.iterdir()] == [True]
    elsewhere = tmp_path / f".a.{'0' * 6 if _HERE != '0' * 6 else '1' * 6}-1-0123456789ab"
    elsewhere.mkdir()
    with replacing(tmp_path / "other.json") as mine:
        mine.write_text("half")
        write_text(tmp_path / "access.json", "{}")
        assert mine.exists()
        assert len(list(tmp_path.iterdir())) == 3
        os.utime(elsewhere, (1, 1))
    write_text(tmp_path / "access.json", "{}")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["access.json", "other.json"]


def test_others_may_read_what_is_written_unless_it_is_private(tmp_path: Path) -> None:
    write: Callable[[Path], Any] = lambda file: save_file({"x": torch.zeros(1)}, file)  # noqa: E731
    before = os.umask(0o022)
    try:
        write_atomically(tmp_path / "open", write)
        write_atomically(tmp_path / "closed", write, private=True)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("open", "closed")] == [0o644, 0o600]


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_folders_on_a_disk_that_refuses_are_told_in_one_line(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("core.files.Path.mkdir", refuse)
    answer = cli("folders", "add", tmp_path)
    assert answer.status == 1
    assert "Errno" not in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "checkpoint_folders.txt failed" in answer.err


def test_only_what_a_writer_had_begun_is_removed(tmp_path: Path) -> None:
    own = [tmp_path / name for name in (".cache.0123456789ab", ".x.012345-12-0123", ".profile")]
    for folder in own:
        folder.mkdir()
        os.utime(folder, (0, 0))
    write_text(tmp_path / "a.txt", "a")
    assert all(folder.is_dir() for folder in own)


def test_what_killed_processes_had_in_the_system_s_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("core.files.alive", lambda pid: pid == os.getpid())
    (tmp_path / f"mergescope.{_HERE}-1-0123456789ab" / "part").mkdir(parents=True)
    (tmp_path / "mergescope.mine").mkdir()
    mine, second = scratch(), scratch()
    assert sorted(tmp_path.iterdir()) == sorted([mine, second, tmp_path / "mergescope.mine"])
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700


def test_a_run_can_be_deleted_to_make_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path) as store:
        run_id, other = new_run(store), new_run(store)
        for one in (run_id, other):
            store.set_status(one, "failed")
            store.keep(one, "merged.safetensors", lambda path: path.write_bytes(b"large"))
    change = OpenedStore.writing

    @contextmanager
    def full(store: Store, what: str, *, counted: bool = True) -> Iterator[object]:
        if len(list((tmp_path / "artefacts").glob("*/*"))) == 2:
            raise CannotWrite("the disk is full")
        with change(store, what, counted=counted) as connection:
            yield connection

    with monkeypatch.context() as patched:
        patched.setattr("core.store.database.write_text", lambda *_: write_text(Path("/dev/full/x"), ""))
        store = Store.open(tmp_path)
    with store:
        monkeypatch.setattr(OpenedStore, "writing", full)
        with pytest.raises(CannotWrite):
            store.rename(other, "x")
        store.delete(run_id)
        assert [(found.id, store.artefacts(found.id)) for found in store.runs()] == [(other, ["merged.safetensors"])]
