"""From a folder of files to a merge, without writing a suite file by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, BadSuite
from core.suite.draft import as_suite, save
from core.suite.find import available, find
from core.suite.roots import add_root
from core.suite.scan import scan, suggest
from tests.authors import make_folder


@pytest.fixture
def draft(tmp_path: Path) -> dict[str, Any]:
    """What the page makes of the authors' folder."""
    found = scan(make_folder(tmp_path / "root"))
    add_root(str(found.root))
    suggestion = suggest(found)
    assert suggestion.base is not None
    tasks = [
        {
            "name": task.name,
            "expert": {"weights": str(task.expert.path)} if task.expert else None,
            "head": "",
            "data": {"kind": task.images.kind, "path": str(task.images.path)} if task.images else None,
            "classes": {name: f"a {name} thing" for name in task.images.classes} if task.images else {},
            "templates": ["a patch of {}"],
        }
        for task in suggestion.tasks
    ]
    base = {"arch": str(found.configurations[0]), "weights": str(suggestion.base.path)}
    return {"name": "mine", "title": "", "base": base, "tasks": tasks}


def test_the_authors_folder_becomes_a_suite_that_merges(draft: dict[str, Any], cli: Callable[..., Any]) -> None:
    path = save(draft)
    assert available()["mine"] == path
    suite = find("mine")
    assert suite.experts == ("eurosat", "sun397")
    assert suite.task("eurosat").classes == ("a blue thing", "a green thing", "a grey thing", "a red thing")
    report = cli("merge", "mine", "--set", "steps=2", "--set", "batch=2", "--json").data
    assert [task["name"] for task in report["tasks"]] == ["eurosat", "sun397"]
    assert all(task["accuracy"] is not None for task in report["tasks"])


def test_a_suite_is_replaced_only_on_demand(draft: dict[str, Any]) -> None:
    path = save(draft)
    before = path.read_bytes()
    changed = copy.deepcopy(draft) | {"title": "Another"}
    with pytest.raises(BadInput, match="which is taken"):
        save(changed)
    assert path.read_bytes() == before
    save(changed, replace=True)
    assert find("mine").title == "Another"


def test_a_bundled_suite_can_not_be_hidden(draft: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="bundled"):
        save(draft | {"name": "demo"}, replace=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../x"}, "`name` should be 1 to 64 letters"),
        ({"name": ""}, "`name` should be given"),
        ({"tasks": []}, "`tasks` should be given"),
        ({"base": {"arch": "", "weights": ""}}, "`base"),
        ({"extra": 1}, "`extra` should be a known key"),
        ({"tasks": 5}, "`tasks` should be"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_by_key(draft: dict[str, Any], change: Any, message: str) -> None:
    with pytest.raises(BadSuite) as caught:
        save(draft | change)
    assert message in str(caught.value)
    assert "mine" not in available()


def test_class_names_that_do_not_fit_the_folders_are_told_before_anything_is_written(draft: dict[str, Any]) -> None:
    draft["tasks"][0]["classes"] = {"red": "red", "purple": "purple"}
    with pytest.raises(BadSuite):
        save(draft)
    assert "mine" not in available()


def test_a_draft_opens_nothing_outside_the_remembered_folders(draft: dict[str, Any], tmp_path: Path) -> None:
    draft["base"]["weights"] = str(tmp_path / "elsewhere.pt")
    with pytest.raises(BadSuite, match="leads outside"):
        as_suite(draft).missing()
