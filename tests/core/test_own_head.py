"""`head: own`: the text tower in the expert's own file makes the head of its task."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.errors import BadSuite
from core.problem.examine import check
from core.problem.heads import HeadBuilder
from core.suite.find import find
from tests.core.suite_edits import add, opened, said, text
from tests.tiny import CLASSES, TEMPLATES, make_suite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_suite(tmp_path).parent


@pytest.mark.slow
def test_an_own_head_is_made_by_the_text_tower_of_the_expert(folder: Path, tmp_path: Path) -> None:
    add(folder, text(folder, 0.1))
    said(folder, head="own")
    problem, plain = opened(folder), find(str(folder / "tiny.yaml"))
    expected = HeadBuilder(plain.arch(), folder / "task2.safetensors", "another", tmp_path / "cache")
    torch.testing.assert_close(problem.heads["task2"], expected.head(CLASSES, TEMPLATES))
    assert not torch.allclose(problem.heads["task2"], problem.heads["task1"], atol=1e-3)
    before = problem.content["task2"]
    add(folder, {"logit_scale": torch.tensor(1.0)})
    assert opened(folder).content["task2"] != before


@pytest.mark.slow
def test_an_own_head_needs_a_text_tower(folder: Path) -> None:
    said(folder, head="own")
    [complaint] = check(find(str(folder / "tiny.yaml"))).complaints
    assert complaint.role == "head of task2"
    assert "no complete text tower" in complaint.message


def test_an_own_head_needs_an_expert(folder: Path) -> None:
    said(folder, head="own", expert=None)
    with pytest.raises(BadSuite, match="expert"):
        find(str(folder / "tiny.yaml"))


@pytest.mark.slow
def test_a_file_called_own_is_named_by_its_path(folder: Path) -> None:
    torch.save({"weight": torch.ones(4, 16).cumsum(0)}, folder / "own")
    said(folder, head="./own")
    assert torch.equal(opened(folder).heads["task2"], torch.ones(4, 16).cumsum(0))
