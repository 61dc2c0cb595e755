"""SIGKILL at any point: no acknowledged step is lost, none is stored twice, and λ ends with the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core import kills
from tests.core.kills import Forge, Whole

STEPS = 6
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    forge = Forge(tmp_path_factory.mktemp("home"))
    yield forge
    forge.close()


@pytest.fixture(scope="module")
def whole(forge: Forge, tiny_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """An uninterrupted run of `STEPS` steps."""
    return kills.never_stopped(forge, tiny_suite, tmp_path_factory.mktemp("whole"), STEPS)


@pytest.mark.parametrize("deaths", [4, pytest.param(200, marks=pytest.mark.nightly)])
def test_a_run_killed_again_and_again_ends_with_the_same_bits(
    forge: Forge, tiny_suite: Path, tmp_path: Path, deaths: int
) -> None:
    kills.again_and_again(forge, tiny_suite, tmp_path, deaths)


@pytest.mark.parametrize(("point", "count"), kills.POINTS)
def test_a_kill_at_any_write_is_survived(
    forge: Forge, whole: Whole, tiny_suite: Path, tmp_path: Path, point: str, count: int
) -> None:
    assert kills.at(forge, tiny_suite, tmp_path, whole, STEPS, point, count)


def test_a_study_killed_in_the_middle_goes_on_and_ends_the_same(forge: Forge, tiny_suite: Path, tmp_path: Path) -> None:
    kills.study(forge, tiny_suite, tmp_path, 3)


def test_a_killed_export_leaves_the_earlier_file_or_the_new_one(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    kills.exports(forge, whole, tmp_path / "out", 2)


def test_what_a_killed_server_was_making_for_a_download_is_removed(forge: Forge, whole: Whole) -> None:
    kills.downloads(forge, whole, 2)
