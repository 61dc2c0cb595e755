"""What every test gets: an own home folder and few threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported anywhere: two small thread pools instead of one per core and library.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import torch  # noqa: E402  (the thread limits above have to be set first)

from tests.tiny import make_suite  # noqa: E402

torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty MERGESCOPE_HOME, so that no test reads or writes the user's own runs."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("MERGESCOPE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite file of three random tasks (`tests/tiny.py`); shared, so do not change its files."""
    return make_suite(tmp_path_factory.mktemp("tiny"))
