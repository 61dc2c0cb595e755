"""Damaged, foreign and missing files: status 2, one line that names file and fault, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

Cli = Callable[..., Any]


@pytest.mark.parametrize("name", ["base.safetensors", "task1.safetensors"])
def test_a_file_of_the_suite_is_never_overwritten(cli: Cli, suite: Path, name: str) -> None:
    file = suite.parent / name
    before = file.read_bytes()
    cli("merge", suite, "--method", "average", "--out", file).refused("--out", name, "suite tiny")
    cli("merge", suite, "--method", "average", "--report", suite).refused("--report", "tiny.yaml")
    assert file.read_bytes() == before


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _pickle(path: Path) -> None:
    torch.save({"visual.proj": torch.zeros(2)}, path)


class _Payload:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


def _payload(path: Path) -> None:
    torch.save({"visual.proj": _Payload()}, path)


def _text(path: Path) -> None:
    path.write_text("<html>404 Not Found</html>")


def _change(**changes: torch.Tensor | None) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        tensors = load_file(path)
        for name, tensor in changes.items():
            if tensor is None:
                del tensors[f"visual.{name}"]
            else:
                tensors[f"visual.{name}"] = tensor
        save_file(tensors, path)

    return change


def _as_base(path: Path) -> None:
    path.write_bytes((path.parent / "base.safetensors").read_bytes())


def _as_other(path: Path) -> None:
    path.write_bytes((path.parent / "task0.safetensors").read_bytes())


@pytest.mark.grid
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, ["task1.safetensors", "is missing"]),
        (_truncate, ["task1.safetensors", "truncated"]),
        (_empty, ["task1.safetensors"]),
        (_text, ["task1.safetensors", "safetensors"]),
        (_pickle, ["task1.safetensors", "conv1.weight is missing"]),
        (_payload, ["task1.safetensors", ".system", "None of it was executed"]),
        (_change(proj=None), ["proj is missing"]),
        (_change(proj=torch.zeros(3, 3)), ["proj", "[32, 16]", "[3, 3]"]),
        (_change(extra=torch.zeros(1)), ["extra is unexpected"]),
        (_change(proj=torch.full((32, 16), torch.nan)), ["visual.proj", "NaN"]),
        (_change(proj=torch.full((32, 16), torch.inf)), ["visual.proj", "infinite"]),
        (_change(proj=torch.zeros(32, 16, dtype=torch.float16)), ["proj", "float32", "float16"]),
        (_as_base, ["task1", "equals the base"]),
        (_as_other, ["task0", "task1", "same"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("command", ["merge", "evaluate", "similarity"])
def test_a_bad_expert_is_named(
    cli: Cli,
    suite: Path,
    files: Callable[[], set[Path]],
    damage: Callable[[Path], None],
    words: list[str],
    command: str,
) -> None:
    damage(suite.parent / "task1.safetensors")
    before = files()
    cli(command, suite).refused(*words)
    assert files() == before


@pytest.mark.slow
def test_a_bad_base_is_named(cli: Cli, suite: Path) -> None:
    _change(**{"conv1.weight": None})(suite.parent / "base.safetensors")
    cli("merge", suite).refused("base.safetensors", "conv1.weight is missing")
    _truncate(suite.parent / "base.safetensors")
    cli("merge", suite).refused("base.safetensors", "truncated")


@pytest.mark.slow
def test_bad_images_are_named(cli: Cli, suite: Path) -> None:
    data = suite.parent / "task1.npz"
    arrays = dict(np.load(data))
    np.savez(data, **arrays | {"test_labels": arrays["test_labels"] + 40})
    cli("merge", suite, "--method", "average").refused("task1", "label")
    np.savez(data, **arrays | {"test_images": arrays["test_images"][:0], "test_labels": arrays["test_labels"][:0]})
    cli("merge", suite, "--method", "average").refused("task1")
    _truncate(data)
    cli("merge", suite, "--method", "average").refused("task1.npz")
