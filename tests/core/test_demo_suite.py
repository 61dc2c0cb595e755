"""The committed demo suite: experts that know their tasks, merges in the order that the literature reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.problem.loading import load
from core.problem.problem import Problem
from core.suite.find import find
from tests.bench import demo_gate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Problem]:
    """The suite as it is committed, loaded from nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERGESCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        yield load(find("demo"), device="cpu", precision="float32")


@pytest.mark.slow
def test_experts_and_data_free_merges_keep_their_order(demo: Problem) -> None:
    """Experts read 90 % of their own test images; averaging, Task Arithmetic and TIES lie between base and experts."""
    suite = find("demo")
    rows = {method: demo_gate.run(demo, suite, method) for method in demo_gate.DATA_FREE}
    checks = demo_gate.data_free_checks(rows)
    assert all(checks.values()), {name: row.average for name, row in rows.items()} | checks


@pytest.mark.slow
def test_no_test_image_is_a_training_image(demo: Problem) -> None:
    """No picture of one split is, pixel for pixel, in another split of any task."""
    owner: dict[bytes, str] = {}
    for split in ("train", "held-out", "test"):
        for task in demo.tasks:
            for picture in demo.split(task, split).pixels:
                found = owner.setdefault(picture.contiguous().numpy().tobytes(), split)
                assert found == split, f"a {split} picture of {task} is in {found}"


def test_sizes() -> None:
    """Every class has 40 test images, and the whole suite stays below 45 MB."""
    assert sum(file.stat().st_size for file in (ROOT / "assets/demo").rglob("*") if file.is_file()) < 45e6
    suite = find("demo")
    for task in suite.tasks:
        with np.load(suite.resolve(task.data.path)) as archive:
            labels = archive["test_labels"]
        assert np.bincount(labels, minlength=len(task.classes)).min() >= 40, task.name
