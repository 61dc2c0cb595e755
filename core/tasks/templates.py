"""What the text tower reads: templates that stand for all classes of a task, or prompts for each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from core.errors import BadSuite
from core.tasks.classes import Classes, folded
from core.tasks.texts import json_or_lines

Templates: TypeAlias = tuple[str, ...] | tuple[tuple[str, ...], ...]
"""Texts with one {} for the class name; or per class, in the classes' order, its own texts."""
Prompts: TypeAlias = Mapping[str, Sequence[str]]
"""Class -> its own texts, in which {} and {c} may stand for its name."""
MOST = 1_000
"""Templates of a task, or texts of one class."""
_NAME = re.compile(r"\{c?\}")


def template(value: str) -> str:
    """A template in which {} stands for the class name; raises `ValueError` unless {} or {c} occurs exactly once."""
    if len(_NAME.findall(value)) != 1 or re.search(r"[{}]", _NAME.sub("", value)):
        raise ValueError("a text with exactly one {} for the class name")
    return _NAME.sub("{}", value)


def template_file(file: Path) -> tuple[str, ...] | dict[str, list[str]]:
    """The templates or the prompts per class in a file, told by its content; raises `BadSuite`.

    A JSON list, or text with a template per line; a JSON object from class names to a text or a list of them.
    """
    try:
        found = json_or_lines(file)
        if isinstance(found, dict):
            prompts = {name: [own] if isinstance(own, str) else own for name, own in found.items()}
            for name, own in prompts.items():
                _check(own, f"texts of class `{name[:60]}`")
            return prompts
        _check(found, "texts")
        return tuple(map(template, found))
    except (OSError, ValueError, RecursionError) as error:
        raise BadSuite(
            f"`{file.name}` should be templates: one per line or a JSON list, each with exactly one {{}} or {{c}}; or "
            f"a JSON object of prompts per class. Found: {error}."
        ) from None


def _check(texts: object, what: str) -> None:
    if not isinstance(texts, list) or not all(isinstance(each, str) and each.strip() for each in texts):
        raise ValueError(f"{what} that are no list of texts")
    if not 1 <= len(texts) <= MOST:
        raise ValueError(f"{len(texts)} {what}, where 1 to {MOST} are expected")


def per_class(task: str, prompts: Prompts, classes: Classes) -> tuple[tuple[str, ...], ...]:
    """The texts of each class, in the classes' order; raises `BadSuite` where classes and prompts do not match.

    Prompts may name a class as the task does or as its images do.
    """
    given = {folded(name): texts for name, texts in prompts.items()}
    own = classes.ids or classes.names
    found = [given.get(folded(name), given.get(folded(other))) for name, other in zip(classes.names, own, strict=True)]
    known = {folded(name) for name in (*classes.names, *classes.ids)}
    missing = [name for name, texts in zip(classes.names, found, strict=True) if texts is None]
    unknown = [name for name in prompts if folded(name) not in known]
    if missing or unknown or len(given) < len(prompts):
        parts = [f"no prompts for {', '.join(missing[:5])}"] * bool(missing)
        parts += [f"prompts for {', '.join(unknown[:5])}, which is no class"] * bool(unknown)
        raise BadSuite(
            f"Task `{task}`: `templates` should have prompts for each of its {len(found)} classes, once. Found "
            f"{'; '.join(parts) or 'a class that occurs twice'}."
        )
    return tuple(
        tuple(_filled(text, name) for text in texts or ()) for name, texts in zip(classes.names, found, strict=True)
    )


def texts(classes: Sequence[str], templates: Templates) -> list[list[str]]:
    """Class by class, the texts that its row of the head is made of."""
    if templates and isinstance(templates[0], str):
        return [[_filled(str(each), name) for each in templates] for name in classes]
    return [list(own) for own in templates]


def _filled(text: str, name: str) -> str:
    return _NAME.sub(lambda _: name, text)
