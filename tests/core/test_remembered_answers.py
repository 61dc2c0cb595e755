"""What is remembered of experts' answers and of rivals is used only for the images and experts that it is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from core import remembered
from core.problem.loading import load
from core.problem.probe import Probe
from core.progress import Progress
from core.runs.verdict import rivals
from core.suite.find import find


def probe(suite: Path) -> Probe:
    return Probe.of(load(find(str(suite)), device="cpu", precision="float32", micro_batch=64), "test")


def answers(found: Probe) -> dict[str, Any]:
    return found.answers


def base(found: Probe) -> Any:
    return rivals(found, (), Progress())["base"]


def renamed(tasks: list[dict[str, Any]]) -> None:
    """The sample of a task's images follows from its name."""
    tasks[0]["name"] = "another"


def swapped(tasks: list[dict[str, Any]]) -> None:
    tasks[0]["expert"], tasks[1]["expert"] = tasks[1]["expert"], tasks[0]["expert"]


@pytest.mark.grid
@pytest.mark.parametrize("change", [renamed, swapped])
@pytest.mark.parametrize("asked", [answers, base])
def test_another_name_or_expert_is_asked_anew(
    asked: Callable[[Probe], Any], change: Callable[..., None], suite: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = asked(probe(suite))
    described = yaml.safe_load(suite.read_text())
    change(described["tasks"])
    suite.write_text(yaml.safe_dump(described))
    remembered = asked(probe(suite))
    monkeypatch.setenv("MERGESCOPE_HOME", str(tmp_path / "fresh"))
    torch.testing.assert_close(*map(_numbers, (remembered, asked(probe(suite)))))
    assert not torch.equal(*map(_numbers, (remembered, before)))


@pytest.mark.parametrize("damage", [b"", b"no pickle", b"\x80\x02.", b"PK\x03\x04"])
def test_what_is_remembered_and_damaged_is_asked_anew(damage: bytes, suite: Path, home: Path) -> None:
    before = _numbers(answers(probe(suite)))
    for file in (home / "cache" / "evaluations").iterdir():
        file.write_bytes(damage)
    assert torch.equal(_numbers(answers(probe(suite))), before)


@pytest.mark.parametrize("offset", [-1, -40, 20])
def test_a_flipped_bit_of_what_is_remembered_is_found(offset: int, tmp_path: Path) -> None:
    told, file = tmp_path / "told.json", tmp_path / "head.safetensors"
    remembered.keep(told, [100, 200] * 20)
    made = remembered.tensor(file, "x", (20,), lambda: torch.arange(20.0))
    for path in (told, file):
        damaged = bytearray(path.read_bytes())
        damaged[offset] ^= 1
        path.write_bytes(damaged)
    assert remembered.recall(told, list) is None
    assert torch.equal(remembered.tensor(file, "x", (20,), lambda: made.clone()), made)


def _numbers(found: Any) -> torch.Tensor:
    if isinstance(found, dict):
        return torch.stack([*found.values()])
    return torch.tensor([[one.kl, one.agreeing] for one in found])
