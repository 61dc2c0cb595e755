"""Weights of an image encoder from a file, held against the suite they are to be used with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.checkpoints import check_against_base, load_expert

if TYPE_CHECKING:
    from core.problem import Problem
    from core.step import Weights


def read(path: Path, problem: Problem) -> Weights:
    """The image encoder in `path`, in the base's element type; raises `BadCheckpoint` if it does not fit."""
    vectors = problem.task_vectors
    base, tensors = vectors.base, load_expert(path, vectors.base).tensors
    check_against_base(path.name, base, tensors, vectors.names, cast=True)
    return base | {name: tensors[name].to(base[name]) for name in vectors.names}
