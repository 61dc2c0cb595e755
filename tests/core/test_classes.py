"""Class names of the suite file against those of the images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadSuite
from core.tasks.classes import class_names, match

CLASS_NAMES: list[tuple[Any, tuple[str, ...], tuple[str, ...]]] = [
    (None, ("apple pie", "beef"), ("apple_pie", "beef")),
    (["some beef", "a pie"], ("some beef", "a pie"), ("apple_pie", "beef")),
    (["Beef", "Apple Pie"], ("Beef", "Apple Pie"), ("beef", "apple_pie")),
    ({"beef": "roast", "apple_pie": "cake"}, ("roast", "cake"), ("beef", "apple_pie")),
]


@pytest.mark.parametrize(("wanted", "names", "ids"), CLASS_NAMES)
def test_class_names_are_matched_with_folders(wanted: Any, names: Any, ids: Any) -> None:
    found = match("mine", wanted, ("apple_pie", "beef"))
    assert (found.names, found.ids) == (names, ids)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["a", "b", "c"], "each of the 2 classes of its images. Found 3"),
        ({"beef": "roast", "pie": "cake"}, "Only in `classes`: pie; only among the images: apple_pie"),
    ],
)
def test_class_names_that_do_not_fit_are_refused(wanted: Any, message: str) -> None:
    with pytest.raises(BadSuite, match=message):
        match("mine", wanted, ("apple_pie", "beef"))


NAMES = ["red", "light green", "blue: dark"]
FILES: list[tuple[str, Any]] = [
    ("red\n\n light green \nblue: dark\n", tuple(NAMES)),
    (json.dumps(NAMES), tuple(NAMES)),
    ("\ufeff" + json.dumps(NAMES, indent=1), tuple(NAMES)),
    (json.dumps({str(at): name for at, name in reversed(list(enumerate(NAMES)))}, indent=2), tuple(NAMES)),
    (json.dumps({name: at for at, name in reversed(list(enumerate(NAMES)))}, indent=2), tuple(NAMES)),
    (json.dumps({"n01": "tench", "n02": "goldfish"}), {"n01": "tench", "n02": "goldfish"}),
    (json.dumps({"1": "pink primrose", "2": "orchid"}), {"1": "pink primrose", "2": "orchid"}),
]


@pytest.mark.parametrize(("text", "names"), FILES)
@pytest.mark.parametrize("file", ["names.json", "names.txt"])
def test_a_file_of_class_names_is_read_by_its_content(file: str, text: str, names: Any, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, "utf-8")
    assert class_names(tmp_path / file) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n "red",\n "green"\n', "Expecting ',' delimiter: line 4"),
        ('[\n "red",\n "green",\n]', "line 3|line 4"),
        ('"red",\n"green"\n', "neither a plain name nor JSON"),
        ("- red\n- green\n", "neither a plain name nor JSON"),
        ("classes:\n  - red\n  - green\n", "neither a plain name nor JSON"),
        ("0: red\n1: green\n", "neither a plain name nor JSON"),
        ('{"red": 0, "green": 2}', "the class name '0', which should be text"),
        ('{"0": "red", "0": "green"}', "a key that occurs more than once"),
        ('["red", 1]', "the class name '1', which should be text"),
        ('["red", [" "]]', "which should be text"),
        ('["red", " "]', "the class name ' '"),
        ('["red"]', "1 where at least two are needed"),
        ("", "0 where at least two are needed"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_list_of_class_names_gets_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(text, "utf-8")
    with pytest.raises(BadSuite, match=message) as caught:
        class_names(tmp_path / "names.txt")
    assert str(caught.value).startswith("`names.txt` should be class names: one per line, or a JSON list or object. ")
    assert len(str(caught.value).splitlines()) == 1
