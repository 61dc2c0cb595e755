"""What every test gets: an own home folder, the same random numbers and one thread."""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Before torch is imported anywhere, and without it: that takes seconds, and the process that hands tests to workers
# needs none of it. The models of the tests are tiny: more threads only wait for each other.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Our kernels then run on the CPU.


def pytest_collectstart() -> None:
    """What the modules of the tests make stays: nobody need look for garbage in it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Without torch's and the tests' own objects in it, collecting garbage is a tenth quicker."""
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves `nightly` tests out unless `-m` speaks of them; of a `grid` all but every fourth case are slow.

    Files with few but long tests begin, so that no process waits for another at the end.
    """
    cases = Counter[str]()
    for item in items:
        if item.get_closest_marker("grid"):
            kind = item.nodeid.partition("[")[0]
            if cases[kind] % 4:
                item.add_marker(pytest.mark.slow)
            cases[kind] += 1
    here = Path(__file__).parent
    first = [here / "browser", here]
    items.sort(key=lambda item: first.index(item.path.parent) if item.path.parent in first else len(first))
    if "nightly" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("nightly")])
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where they lie: pytest lists all folders beside a new one, which takes long among thousands."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty MERGESCOPE_HOME, so that no test reads or writes the user's own runs."""
    folder = Path(tempfile.mkdtemp(dir=homes))
    monkeypatch.setenv("MERGESCOPE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws without a seed of its own is the same whatever ran before it."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite file of three random tasks (`tests/tiny.py`); shared, so do not change its files."""
    from tests.tiny import make_suite

    return make_suite(tmp_path_factory.mktemp("tiny"))


@dataclass(frozen=True)
class Answer:
    """What one command line gave."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output, which has to be one JSON document and nothing else."""
        return json.loads(self.out)

    def refused(self, *words: str) -> None:
        """Assert that this was bad input: status 2 and exactly one line, which holds `words`."""
        assert self.status == 2, self.err
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        for word in words:
            assert word in lines[0]


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What command lines compute again and again of the same suites: heads, the faster precision, accuracies."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], home: Path, warm: Path) -> Callable[..., Answer]:
    """Carry out a command line in this process: `cli("merge", suite, "--json").data`. All tests share one cache."""
    import launch

    if not (home / "cache").exists():
        (home / "cache").symlink_to(warm)

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        status = launch.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(status, captured.out, captured.err)

    return call


@pytest.fixture
def suite(tmp_path: Path, tiny_suite: Path) -> Path:
    """An own copy of the tiny suite that a test may damage."""
    return shutil.copytree(tiny_suite.parent, tmp_path / "suite") / tiny_suite.name


@pytest.fixture
def files(tmp_path: Path, home: Path) -> Callable[[], set[Path]]:
    """Lists all files of the test outside the suite; the cache does not count as written."""

    def found() -> set[Path]:
        everything = {path for root in (tmp_path, home) for path in root.rglob("*") if path.is_file()}
        return {path for path in everything if "cache" not in path.parts and "suite" not in path.parts}

    return found
