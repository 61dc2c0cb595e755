"""All that is wrong with the files of a suite, found in one pass: one table instead of one failure after another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from core.checkpoints import Checkpoint, Difference, Opened, differences, load_expert, not_finite, remedy, spoiled, told
from core.encoders.models import VISUAL, Architecture
from core.errors import BadCheckpoint
from core.problem.findings.vectors import VectorFindings

SHOWN = 3


@dataclass(frozen=True)
class Complaint:
    """What keeps one file of a suite from being used."""

    role: str
    """`base`, `expert of NAME`, …"""
    file: str
    message: str
    """One sentence with name, expected, found and remedy."""
    details: tuple[Difference, ...] = ()
    """Tensor by tensor, where it is about tensors."""

    def rows(self) -> list[dict[str, str]]:
        """One row per tensor, or one for the file: plain texts for a table."""
        about = {"role": self.role, "file": self.file}
        if not self.details:
            return [about | {"tensor": "", "problem": self.message, "expected": "", "found": ""}]
        rows = [about | {key: str(value) for key, value in asdict(item).items()} for item in self.details]
        helps = remedy(self.details).strip()
        return rows + ([about | {"tensor": "", "problem": helps, "expected": "", "found": ""}] if helps else [])


class BadFiles(BadCheckpoint):
    """One or several files of a suite can't be used; `complaints` has all of them."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(complaints)
        text = " ".join(item.message for item in complaints[:SHOWN])
        if len(complaints) > 1:
            text = f"{len(complaints)} files can't be used; `check` lists everything. {text}"
        super().__init__(text)


class Examiner:
    """Holds experts against one base, one after the other, and collects what is wrong."""

    def __init__(self, base: Checkpoint, names: Sequence[str], arch: Architecture) -> None:
        self._base, self._names, self._arch = base, names, arch
        self._seen: dict[bytes, tuple[str, Opened]] = {}
        self.complaints: list[Complaint] = []
        self.vectors = VectorFindings(base.tensors, names)

    def expert(self, task: str, path: Path, cast: bool = False, inside: str | None = None) -> Checkpoint | None:
        """The expert of a task; None where something is wrong with it, which is then in `complaints`.

        `inside` chooses one of several models in its file.
        """
        role = f"expert of {task}"
        try:
            expert = load_expert(path, self._base.tensors, self._arch, inside=inside, finite=False)
        except BadCheckpoint as error:
            self.complaints.append(Complaint(role, path.name, str(error)))
            return None
        found = differences(self._base.tensors, expert.tensors, self._names, cast or expert.adapter)
        if found:
            self.complaints.append(Complaint(role, path.name, told(path.name, found), tuple(found)))
        if infinite := not_finite(expert.tensors):
            message = spoiled(path.name, infinite, VISUAL)
            self.complaints.append(Complaint(role, path.name, message, tuple(infinite)))
        message = activation(expert, self._arch)
        if not (message or found or infinite):
            sample = self.vectors.sample(expert.tensors)
            message = self._worthless(task, expert, sample)
        if message:
            self.complaints.append(Complaint(role, path.name, message))
        if found or infinite or message:
            return None
        self.vectors.add(task, sample)
        return expert

    def _worthless(self, task: str, expert: Checkpoint, sample: Tensor) -> str:
        """Why an expert that fits still adds nothing: its weights are those of the base or of one before it."""
        if _same(expert.tensors, self._base.tensors, self._names):
            return f"The expert of `{task}` equals the base: its task vector is zero. Give fine-tuned weights."
        # Only those that agree in a sample are compared in full.
        key = hashlib.sha256(sample.numpy().tobytes()).digest()
        other, seen = self._seen.setdefault(key, (task, expert.opened))
        if other == task:
            return ""
        again = load_expert(seen.path, self._base.tensors, self._arch, inside=seen.inside)
        if _same(expert.tensors, again.tensors, self._names):
            return f"The experts of `{other}` and `{task}` are the same; give each task its own."
        return ""


def activation(checkpoint: Checkpoint, arch: Architecture) -> str:
    """What is wrong with the architecture's activation, where the checkpoint says which it was trained with.

    open_clip only warns of it; the wrong one costs several points of accuracy.
    """
    expected = bool(arch.config.get("quick_gelu", False))
    if not arch.zero_shot or checkpoint.quick_gelu in (None, expected):
        return ""
    names = {True: "QuickGELU", False: "GELU"}
    plain = arch.name.removesuffix("-quickgelu")
    other = plain if expected else f"{plain}-quickgelu"
    remedy = f"set `quick_gelu: {str(not expected).lower()}` in it" if arch.name.endswith(".json") else f"use `{other}`"
    trained, computed = names[not expected], names[expected]
    return f"`{checkpoint.path.name}` was trained with {trained}, but `{arch.name}` computes {computed}; {remedy}."


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], names: Sequence[str]) -> bool:
    """Whether the numbers are the same, whatever their formats: rounding would hide small updates."""
    return all(bool((one[name] == other[name]).all()) for name in names)


def as_json(complaints: Sequence[Complaint]) -> list[dict[str, Any]]:
    """Plain values for JSON and for a page."""
    return [
        {"role": item.role, "file": item.file, "message": item.message, "tensors": item.rows() if item.details else []}
        for item in complaints
    ]
