"""Problems that the engine's tests share; read them, change only what `dataclasses.replace` gives you."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import methods
from core.problem.loading import load
from core.problem.problem import Problem
from core.suite.find import find
from tests.core.naive import Naive
from tests.tiny import CLASSES, TEMPLATES, make_suite

FIRST = {
    *("adamerging", "average", "fisher", "individual", "multi_task", "pretrained", "regmean", "surgery", "tall_masks"),
    *("task_arithmetic", "ties", "tsv_m"),
}
"""One method of each kind: the fast set has only these where a test is tried on many."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is tried on many methods is `slow` on all but those of `FIRST`; golden values are not."""
    tried = defaultdict[tuple[Path, str], list[tuple[pytest.Item, set[str]]]](list)
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and item.path.name != "test_golden.py":
            named = {value for value in item.callspec.params.values() if isinstance(value, str)} & set(methods.names())
            tried[item.path, item.originalname].append((item, named))
    for found in tried.values():
        if any(named and named <= FIRST for _, named in found):
            for item, named in found:
                if named - FIRST:
                    item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from a second thread, and on busy cores waiting for it takes 50 times longer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _load(folder: Path, suite: Path, precision: str) -> Problem:
    # Session fixtures are made before the `home` of the test that asks first, hence an own one.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERGESCOPE_HOME", str(folder))
        return load(find(str(suite)), device="cpu", precision=precision, micro_batch=64)


@pytest.fixture(scope="session")
def problem64(tmp_path_factory: pytest.TempPathFactory, tiny_suite: Path, naive: Naive) -> Problem:
    """The tiny suite with everything in float64; also the heads, whose text tower runs in float32 for people."""
    problem = _load(tmp_path_factory.mktemp("home64"), tiny_suite, "float64")
    return replace(problem, heads={task: naive.head(list(CLASSES), list(TEMPLATES)) for task in problem.heads})


@pytest.fixture(scope="session")
def problem32(tmp_path_factory: pytest.TempPathFactory, tiny_suite: Path) -> Problem:
    """The tiny suite in float32, as people run it."""
    return _load(tmp_path_factory.mktemp("home32"), tiny_suite, "float32")


@pytest.fixture(scope="session")
def naive(tiny_suite: Path) -> Naive:
    """The tiny suite read and computed with nothing of `core`."""
    return Naive(tiny_suite.parent)


@pytest.fixture(scope="module")
def warm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose cache of heads the tests of this file share: building them is most of what loading takes."""
    return tmp_path_factory.mktemp("warm")


@pytest.fixture
def folder(tmp_path: Path, warm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny suite of one's own."""
    monkeypatch.setenv("MERGESCOPE_HOME", str(warm_home))
    return make_suite(tmp_path).parent
