"""What commands and the page have imported when they answer: nothing that takes seconds, unless it is needed.

`python -m tests.bench.start_times` measures the seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from core import methods, paths, remembered
from core.checkpoints.source import BYTES
from core.cli.catalogue import describe_method
from core.encoders import building, models
from core.encoders.family import architecture

ROOT = Path(__file__).resolve().parents[1]
BUILDING = {"open_clip", "torchvision", "timm", "transformers"}
HEAVY = BUILDING | {"torch", "scipy", "pandas", "gradio", "plotly", "dashboard"}
CHECKPOINT = ROOT / "assets" / "demo" / "digits.safetensors"
LISTS = ("suites", "tasks demo", "methods", "methods ties", f"inspect {CHECKPOINT}")
RUN = """
import sys, launch
for line in sys.argv[1:]:
    assert launch.run(line.split()) == 0, line
print('imported:', *sys.modules)
"""
SERVE = """
import os, sys, launch
from dashboard.app import Dashboard
def opened(_dashboard):
    print('imported:', *sys.modules, flush=True)
    os._exit(0)
Dashboard.opened = opened
launch.run(['ui', '--port', '0', '--no-browser'])
"""


def imported(program: str, *lines: str) -> set[str]:
    """Names of the modules at the end of a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *lines], capture_output=True, text=True, cwd=ROOT, timeout=180, check=True
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("imported: ")
    return set(last.split()[1:])


@pytest.mark.slow
def test_lists_and_headers_import_nothing_that_computes() -> None:
    imported(RUN, *LISTS)  # What is remembered is not there before.
    assert not imported(RUN, *LISTS) & {*HEAVY, "sqlalchemy"}
    assert not imported(RUN, "runs list") & HEAVY


@pytest.mark.slow
def test_comparing_weights_imports_nothing_that_builds_models() -> None:
    imported(RUN, "similarity demo")
    assert not imported(RUN, "similarity demo") & (HEAVY - {"torch"})


@pytest.mark.slow
def test_the_page_stands_without_what_only_runs_need() -> None:
    # Gradio itself imports pandas.
    assert not imported(SERVE) & {*BUILDING, "scipy", "plotly"}


@pytest.mark.slow
def test_remembered_methods_are_those_of_the_engine_as_it_is(cli: Callable[..., Any]) -> None:
    now = json.loads(json.dumps([describe_method(methods.get(name)) for name in methods.names()]))
    file = paths.cache() / "methods.json"
    for _ in range(2):
        assert cli("methods", "--json").data["methods"] == now
    kept = remembered.recall(file, dict)
    assert kept is not None
    remembered.keep(file, kept | {"value": {}})
    assert cli("methods", "--json").data["methods"] == []
    remembered.keep(file, {"key": "of another engine", "value": {}})
    assert cli("methods", "--json").data["methods"] == now


def test_remembered_architectures_are_open_clips_of_this_release() -> None:
    file = paths.cache() / "open_clip.json"
    for key in (version("open_clip_torch"), "another release"):
        remembered.keep(file, {"key": key, "value": {}})
        models.known.cache_clear()
        assert bool(models.known()) == (key == "another release")
    models.known.cache_clear()
    assert list(models.known()) == open_clip.list_models()
    for name, said in models.known().items():
        assert said["config"] == open_clip.get_model_config(name)


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "EVA02-B-16"])
def test_a_remembered_outline_is_that_of_the_model(name: str) -> None:
    arch = architecture(name)
    visual = building.build_visual(arch, "meta")
    for _ in range(2):
        parameters, buffers, head, width = building.outline(arch)
        assert (head, width) == ("", arch.config["embed_dim"])
        assert list(parameters.items()) == [(name, tuple(one.shape)) for name, one in visual.named_parameters()]
        stored = visual.state_dict().keys()
        assert buffers == tuple(name for name, _ in visual.named_buffers() if name in stored)


def test_element_types_are_pytorchs() -> None:
    assert {name: getattr(torch, name).itemsize for name in BYTES} == BYTES
