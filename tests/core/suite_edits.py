"""A tiny suite changed in one place: its file, an expert, a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.problem.loading import load
from core.problem.problem import Problem
from core.suite.find import find

Tensors = dict[str, Tensor]


def opened(folder: Path) -> Problem:
    return load(find(str(folder / "tiny.yaml")), device="cpu", precision="float32", micro_batch=64)


def weights(folder: Path, task: str) -> Tensors:
    return load_file(folder / f"{task}.safetensors")


def vector(folder: Path, task: str) -> Tensors:
    base = weights(folder, "base")
    return {name: tensor - base[name] for name, tensor in weights(folder, task).items()}


def write(folder: Path, parts: dict[str, float], task: str = "task2") -> None:
    """Make an expert of the base and shares of the task vectors of experts."""
    vectors = {name: vector(folder, name) for name in parts}
    base = weights(folder, "base")
    moved = {
        name: base[name] + sum(share * vectors[other][name] for other, share in parts.items())
        for name in vectors[next(iter(parts))]
    }
    save_file(moved, folder / f"{task}.safetensors")


def add(folder: Path, more: Tensors, task: str = "task2") -> None:
    save_file(weights(folder, task) | more, folder / f"{task}.safetensors")


def said(folder: Path, task: int = 2, **changes: Any) -> None:
    """Change what the suite file says about a task."""
    path = folder / "tiny.yaml"
    described = yaml.safe_load(path.read_text())
    described["tasks"][task] |= changes
    path.write_text(yaml.safe_dump(described, sort_keys=False))


def head(folder: Path, rows: Tensor) -> None:
    save_file({"weight": rows.contiguous()}, folder / "head.safetensors")
    said(folder, head="head.safetensors")


def text(folder: Path, moved: float = 0) -> Tensors:
    """The base's text tower, and some noise."""
    generator = torch.Generator().manual_seed(4)
    own = {name: x for name, x in weights(folder, "base").items() if not name.startswith("visual.")}
    return {name: x + moved * torch.randn(x.shape, generator=generator) for name, x in own.items()}
