"""The image cache: what is in it, when it is made again, and that damage or another process never kills a run."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.encoders.models import Architecture
from core.encoders.preprocessing import fitting
from core.errors import BadInput, Cancelled, RunFailed
from core.progress import Progress
from core.tasks.cache import LIMIT, Cached, ImageCache, limit_bytes
from core.tasks.decode import fitted
from core.tasks.images import Listing
from tests.core.picture_files import picture
from tests.tiny import CONFIG

FITTING = fitting(Architecture("tiny", CONFIG))
ROW = 16 * 16 * 3


class Pictures:
    """Listings whose pictures are counted when they are decoded."""

    def __init__(self) -> None:
        self.decoded = 0

    def listing(self, count: int, name: str = "some", seconds: float = 0.0) -> Listing:
        def decode(index: int) -> Image.Image:
            self.decoded += 1
            time.sleep(seconds)
            return picture(index)

        return Listing(f"task `{name}`", count, None, decode, str, f"{name} {count}")


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    """An empty cache of 1 MiB."""
    return ImageCache(tmp_path / "images", 2**20)


def expected(count: int) -> np.ndarray:
    """What the pictures look like at the model's size."""
    return np.stack([fitted(picture(index), FITTING) for index in range(count)])


def get(cache: ImageCache, listing: Listing) -> Cached:
    return cache.images(listing, FITTING, Progress())


def pixels_file(tmp_path: Path) -> Path:
    [found] = (tmp_path / "images").glob("*.pixels")
    return found


def test_pictures_are_decoded_once(cache: ImageCache) -> None:
    made = Pictures()
    first = get(cache, made.listing(9))
    assert made.decoded == 9
    again = get(cache, made.listing(9))
    assert made.decoded == 9
    assert np.array_equal(first.pixels.numpy(), expected(9))
    assert np.array_equal(again.pixels.numpy(), expected(9))
    get(cache, made.listing(8))
    assert made.decoded == 17


def test_another_size_is_another_entry(cache: ImageCache) -> None:
    made = Pictures()
    get(cache, made.listing(3))
    other = fitting(Architecture("tiny", CONFIG | {"vision_cfg": CONFIG["vision_cfg"] | {"image_size": 24}}))
    assert cache.images(made.listing(3), other, Progress()).pixels.shape == (3, 24, 24, 3)
    assert made.decoded == 6


def test_rows_are_indexed_as_a_tensor_is(cache: ImageCache) -> None:
    whole = torch.from_numpy(expected(7))
    stored = get(cache, Pictures().listing(7)).pixels
    picks = [3, -1, slice(1, 5), slice(None, None, 3), [2, 2, 0], torch.tensor([6, 0]), torch.arange(7) % 2 == 0]
    for pick in picks:
        assert torch.equal(stored[pick], whole[pick]), pick
    assert (len(stored), stored.shape) == (7, (7, 16, 16, 3))
    assert [len(part) for part in stored.split(3)] == [3, 3, 1]
    assert torch.equal(torch.cat(list(stored.split(3))), whole)
    assert torch.equal(torch.stack(list(stored)), whole)
    with pytest.raises(IndexError):
        stored[7]


DAMAGE = {
    "flipped": lambda file: file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:]),
    "cut off": lambda file: os.truncate(file, 5 * ROW + 7),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"x"),
    "empty": lambda file: os.truncate(file, 0),
    "gone": lambda file: file.unlink(),
    "note cut off": lambda file: os.truncate(file.with_suffix(".json"), 40),
    "note of another form": lambda file: file.with_suffix(".json").write_text("[1]"),
    "note gone": lambda file: file.with_suffix(".json").unlink(),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_entry_is_made_again(case: str, cache: ImageCache, tmp_path: Path) -> None:
    made = Pictures()
    get(cache, made.listing(9))
    DAMAGE[case](pixels_file(tmp_path))
    assert np.array_equal(get(cache, made.listing(9)).pixels.numpy(), expected(9))
    assert made.decoded == 18


@pytest.mark.parametrize("how", ["truncate", "overwrite"])
def test_a_file_damaged_while_in_use_fails_the_run_and_not_the_process(
    how: str, cache: ImageCache, tmp_path: Path
) -> None:
    made = Pictures()
    stored = get(cache, made.listing(9)).pixels
    assert torch.equal(stored[8], torch.from_numpy(expected(9))[8])
    file = pixels_file(tmp_path)
    if how == "truncate":
        os.truncate(file, 5 * ROW)
    else:
        with file.open("rb+") as opened:
            opened.seek(8 * ROW)
            opened.write(b"\0" * ROW)
    assert torch.equal(stored[4], torch.from_numpy(expected(9))[4])
    with pytest.raises(RunFailed, match=r"Image 8 in the cache .* start again"):
        stored[8]
    assert np.array_equal(get(cache, made.listing(9)).pixels.numpy(), expected(9))


def test_the_longest_unused_entries_make_room(tmp_path: Path) -> None:
    made, cache = Pictures(), ImageCache(tmp_path / "images", 30 * ROW)
    kept = get(cache, made.listing(10, "a"))
    for at, name in enumerate("bc"):
        get(cache, made.listing(10, name))
        note = max((tmp_path / "images").glob("*.json"), key=lambda file: file.stat().st_mtime)
        os.utime(note, (at + 1.0, at + 1.0))
    get(cache, made.listing(10, "a"))
    assert made.decoded == 30
    get(cache, made.listing(10, "d"))
    assert sum(file.stat().st_size for file in (tmp_path / "images").glob("*.pixels")) == 30 * ROW
    get(cache, made.listing(10, "a"))
    get(cache, made.listing(10, "c"))
    assert made.decoded == 40
    get(cache, made.listing(10, "b"))
    assert made.decoded == 50
    assert np.array_equal(kept.pixels.numpy(), expected(10))


def test_an_entry_in_use_can_be_dropped_and_is_read_to_its_end(cache: ImageCache, tmp_path: Path) -> None:
    stored = get(cache, Pictures().listing(5)).pixels
    pixels_file(tmp_path).unlink()
    assert np.array_equal(stored.numpy(), expected(5))


def test_more_than_the_cache_may_hold_is_refused_before_decoding(cache: ImageCache) -> None:
    made = Pictures()
    with pytest.raises(BadInput, match=f"`{LIMIT}`"):
        get(cache, made.listing(2**20 // ROW + 1))
    assert made.decoded == 0


def test_no_room_on_the_disk_is_told_before_decoding(cache: ImageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(BadInput, match=r"0\.0 GiB are free"):
        get(cache, Pictures().listing(3))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"image cache `.*file/images` can't be written"):
        get(ImageCache(tmp_path / "file" / "images", 2**20), Pictures().listing(3))


class Cancelling(Progress):
    """Asks to stop after some images."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, units: int = 1) -> None:
        self.left -= units
        if self.left < 0:
            raise Cancelled("stop")


def test_decoding_can_be_cancelled_and_leaves_nothing(cache: ImageCache, tmp_path: Path) -> None:
    made = Pictures()
    with pytest.raises(Cancelled):
        cache.images(made.listing(500), FITTING, Cancelling(3))
    assert made.decoded < 500
    assert [file.suffix for file in (tmp_path / "images").iterdir()] == [".lock"]
    assert len(get(cache, made.listing(5)).pixels) == 5


class Told(Progress):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def start(self, label: str, total: int | None) -> None:
        self.said.append((label, total))

    def advance(self, units: int = 1) -> None:
        self.said.append(units)


def test_progress_counts_images(cache: ImageCache) -> None:
    told = Told()
    cache.images(Pictures().listing(4), FITTING, told)
    assert told.said == [("Decoding images of task `some`", 4), 1, 1, 1, 1]


def _child(folder: str, queue: multiprocessing.Queue[tuple[int, bytes]]) -> None:
    made = Pictures()
    found = ImageCache(Path(folder), 2**20).images(made.listing(40, seconds=0.02), FITTING, Progress())
    queue.put((made.decoded, found.pixels.numpy().tobytes()))


@pytest.mark.slow
def test_two_processes_make_an_entry_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # Imported once, not in each process.
    queue = context.Queue()
    children = [context.Process(target=_child, args=(str(tmp_path / "images"), queue)) for _ in range(2)]
    for child in children:
        child.start()
    found = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(60)
    assert sorted(decoded for decoded, _ in found) == [0, 40]
    assert {data for _, data in found} == {expected(40).tobytes()}


def test_what_a_killed_process_left_is_swept_up(cache: ImageCache, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    old, new = (tmp_path / "images" / f".{name}.pixels.012345-12-0123456789ab" for name in ("old", "new"))
    for file in (old, new):
        file.touch()
    os.utime(old, (1, 1))
    get(cache, Pictures().listing(3))
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("given", ["x", "0", "-1", "nan"])
def test_a_limit_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, given)
    with pytest.raises(BadInput, match=LIMIT):
        limit_bytes()
    monkeypatch.setenv(LIMIT, "0.5")
    assert limit_bytes() == 2**29


def test_a_changed_recipe_is_another_entry(cache: ImageCache) -> None:
    made = Pictures()
    get(cache, made.listing(3))
    another = replace(FITTING, make=lambda: (FITTING.apply, "another library"))
    cache.images(made.listing(3), another, Progress())
    assert made.decoded == 6
