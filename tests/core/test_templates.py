"""Templates and prompts per class: in the suite file and in files, told by their content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from core.errors import BadSuite
from core.paths import cache
from core.problem.heads import HeadBuilder
from core.suite.find import SuiteFile, find
from core.tasks.classes import class_names
from core.tasks.templates import template_file, texts
from tests.tiny import make_suite

FILES: list[tuple[str, Any]] = [
    ("a photo of a {}.\n\n  art of {c}\n", ("a photo of a {}.", "art of {}")),
    (json.dumps(["a photo of a {c}.", "art of {}"], indent=1), ("a photo of a {}.", "art of {}")),
    (json.dumps({"red": ["a {c} square", "warm"], "green": "{}"}), {"red": ["a {c} square", "warm"], "green": ["{}"]}),
]


@pytest.mark.parametrize(("text", "found"), FILES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_templates_is_read_by_its_content(text: str, found: Any, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "any").write_text(text, encoding)
    assert template_file(tmp_path / "any") == found


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "gb18030"])
def test_class_names_are_read_whatever_program_saved_them(encoding: str, tmp_path: Path) -> None:
    names = ("红色", "绿色") if encoding == "gb18030" else ("Käse", "crème brûlée")
    (tmp_path / "names.txt").write_text("\n".join(names), encoding)
    assert class_names(tmp_path / "names.txt") == names


BROKEN = [
    ("a photo\n", r"a text with exactly one \{\} for the class name"),
    ("{} and {c}", "exactly one"),
    ("{.__class__}", "exactly one"),
    ("- {}\n- a {}\n", "neither a plain name nor JSON"),
    ("", "0 texts"),
    ("[]", "0 texts"),
    ('["a {}", 1]', "texts that are no list of texts"),
    ('[["a {}"]]', "no list of texts"),
    ('["a {}",', "line 1"),
    ('{"red": []}', "0 texts of class `red`"),
    ('{"red": {"a": 1}}', "texts of class `red` that are no list"),
    ('{"red": ["a"], "red": ["b"]}', "a key that occurs more than once"),
    ("[" * 100_000, "recursion"),
    ("\x00\x01\xff" * 100, "which is in no text|unknown encoding"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_what_is_no_file_of_templates_gets_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "any.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadSuite, match=message) as caught:
        template_file(tmp_path / "any.json")
    assert len(str(caught.value).splitlines()) == 1


def suite(folder: Path, templates: Any, **changes: Any) -> SuiteFile:
    """A tiny suite whose first task, with the classes red and green, has these templates."""
    path = make_suite(folder)
    entry = yaml.safe_load(path.read_text())
    entry["tasks"][0] |= {"templates": templates, "classes": ["red", "light green", "blue"], **changes}
    path.write_text(yaml.safe_dump(entry))
    return find(str(path))


PROMPTS = {"Light_Green": ["a {c} square", "grass"], "red": ["fire"], "blue": ["{}"]}
PER_CLASS = (("fire",), ("a light green square", "grass"), ("blue",))


def test_prompts_per_class_stand_in_the_suite_file_or_in_their_own(tmp_path: Path) -> None:
    assert suite(tmp_path, PROMPTS).tasks[0].templates == PER_CLASS
    (tmp_path / "prompts.json").write_text(json.dumps(PROMPTS))
    found = suite(tmp_path, {"file": "prompts.json"})
    assert found.tasks[0].templates == PER_CLASS
    assert tmp_path / "prompts.json" in found.files()
    (tmp_path / "prompts.json").write_text(json.dumps(["a {c}"]))
    assert suite(tmp_path, {"file": "prompts.json"}).tasks[0].templates == ("a {}",)
    assert suite(tmp_path, ["a {c}"]).tasks[0].templates == ("a {}",)


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ({"red": ["x"], "blue": ["x"]}, "Found no prompts for light green"),
        (PROMPTS | {"purple": ["x"]}, "prompts for purple, which is no class"),
        (PROMPTS | {"RED": ["x"]}, "a class that occurs twice"),
        (PROMPTS | {"red": []}, "`tasks.0.templates.red` should be a list of at least 1; found 0"),
        (PROMPTS | {"red": [1]}, r"`tasks.0.templates.red.0` should be a valid string"),
        ({"file": "../../prompts.json"}, "leads outside"),
        ({"sett": "eurosat"}, "`set` is missing; perhaps you meant that"),
    ],
)
def test_prompts_that_do_not_fit_the_classes_are_refused(templates: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match=message):
        suite(tmp_path, templates)


def test_a_head_of_prompts_per_class_is_that_of_each_class_alone(tmp_path: Path) -> None:
    found = suite(tmp_path, PROMPTS)
    builder = HeadBuilder(found.arch(), found.resolve(found.entry.base.weights), "", cache())
    head = builder.head(found.tasks[0].classes, PER_CLASS)
    for row, own in zip(head, PER_CLASS, strict=True):
        torch.testing.assert_close(row, builder.head(("x",), own)[0])
    assert texts(("red", "blue"), ("a {}", "{}!")) == [["a red", "red!"], ["a blue", "blue!"]]
