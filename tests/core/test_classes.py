"""Class names of the suite file against those of the images."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import BadSuite
from core.tasks.classes import match

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
