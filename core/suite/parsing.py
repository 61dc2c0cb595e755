"""A suite file's text -> its entries; errors name the line and what was expected there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from core.errors import BadSuite
from core.suite.schema import SuiteEntry
from core.suite.words import TAGS
from core.tasks.sources import KINDS

MAX_BYTES = 512 * 2**10
MOST_MISTAKES = 200


class _Loader(yaml.SafeLoader):
    """The safe loader, whose complaints about values such as impossible dates name their line too."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
            # What PyYAML lets through for `!!bool maybe`, `!!int ""`, `!!timestamp x` and the like.
            raise yaml.constructor.ConstructorError(None, None, f"bad value ({error})", node.start_mark) from None


def parse_suite(path: Path) -> SuiteEntry:
    """Read and check the suite file at `path`; raises `BadSuite` with the line of what is wrong."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadSuite(f"`{path.name}` is larger than {MAX_BYTES >> 10} KiB; a suite file is a short YAML text.")
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise BadSuite(f"Suite `{path}` can't be read: {error}.") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadSuite(f"`{path.name}`, line {line}: should be UTF-8 text. Found {error.reason}.") from None
    return parse_text(text, path.name)


def parse_text(text: str, file: str) -> SuiteEntry:
    """Check the text of a suite file that is called `file`; raises `BadSuite` with the line of what is wrong."""
    node, data = _parse_yaml(text, file)
    try:
        entry = SuiteEntry.model_validate(data)
    except ValidationError as error:
        found = error.errors()
        told = [_explain(file, node, item) for item in _own(found[:MOST_MISTAKES])]
        told += [f"`{file}`: {len(found) - MOST_MISTAKES} more mistakes."] if len(found) > MOST_MISTAKES else []
        raise BadSuite("\n".join(told)) from None
    names = [task.name for task in entry.tasks]
    for at, name in enumerate(names):
        if name in names[:at]:
            problem = {"loc": ("tasks", at, "name"), "type": "", "msg": f"a name of its own; `{name}` is taken"}
            raise BadSuite(_explain(file, node, problem))
    return entry


def _parse_yaml(text: str, file: str) -> tuple[yaml.Node | None, Any]:
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _check_nodes(node, file, set())
            return node, loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadSuite(f"`{file}`, line {line}: not valid YAML: {error.reason}.") from None
    except RecursionError:
        raise BadSuite(f"`{file}`, line 1: nested too deeply for a suite file.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise BadSuite(f"`{file}`, line {mark.line + 1 if mark else 1}: not valid YAML: {error.problem}.") from None


def _check_nodes(node: yaml.Node, file: str, seen: set[int]) -> None:
    """Refuse repeated keys (YAML keeps the last one silently) and aliases (they can grow without bound)."""
    if id(node) in seen:
        raise BadSuite(f"`{file}`, line {node.start_mark.line + 1}: aliases are not allowed in a suite file.")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and keys[key.value] > 1:
                raise BadSuite(f"`{file}`, line {key.start_mark.line + 1}: `{key.value}` occurs more than once.")
            _check_nodes(value, file, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_nodes(value, file, seen)


def _own(found: Sequence[Any]) -> list[dict[str, Any]]:
    """The errors without those that only follow from another one.

    A list is not too short because entries of it are wrong, and a key that is missing and written wrongly is one
    mistake.
    """
    found = [
        dict(item) for item in found if item["type"] != "too_short" or len(item["input"]) < item["ctx"]["min_length"]
    ]
    for item in found:
        if item["type"] == "too_short":  # Counted in the file: entries that are wrong are there too.
            item["ctx"] = {**item["ctx"], "actual_length": len(item["input"])}
    missing = {item["loc"]: item for item in found if item["type"] == "missing"}
    for item in found:
        *parent, name = item["loc"] or ("",)
        keys = [loc[-1] for loc in missing if loc[:-1] == tuple(parent)]
        if item["type"] == "extra_forbidden" and (near := get_close_matches(str(name), keys, 1)):
            item["meant"] = near[0]
            del missing[(*parent, near[0])]
    return [item for item in found if item["type"] != "missing" or item["loc"] in missing]


def _explain(file: str, root: yaml.Node | None, item: Any) -> str:
    place = [part for part in item["loc"] if part not in TAGS]
    place = [part for before, part in zip([None, *place], place, strict=False) if before != "data" or part not in KINDS]
    if item["type"].startswith("union_tag"):
        place.append("kind")
    node, found = root, ".".join(map(str, place)) or "the file"
    for part in place:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
    line = node.start_mark.line + 1 if node is not None else 1
    limits = item.get("ctx", {})
    meant = f"`{item['meant']}` is missing; perhaps you meant that" if "meant" in item else "this one is unknown"
    expected = {
        "too_short": f"a list of at least {limits.get('min_length')}; found {limits.get('actual_length')}",
        "too_long": f"a list of at most {limits.get('max_length')}; found {limits.get('actual_length')}",
        "extra_forbidden": f"a known key; {meant}",
        "missing": "given; it is missing",
        "union_tag_invalid": f"one of {', '.join(KINDS)}",
        "union_tag_not_found": f"one of {', '.join(KINDS)}; it is missing",
    }.get(item["type"], item["msg"].removeprefix("Value error, ").removeprefix("Input should be "))
    return f"`{file}`, line {line}: `{found}` should be {expected}."
