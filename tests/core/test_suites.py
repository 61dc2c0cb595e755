"""Suite files: what is accepted, and that everything else is refused with its line."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import BadSuite, UnknownName
from core.suite.find import available, find
from core.suite.parsing import MAX_BYTES, parse_suite
from tests.tiny import make_suite

TEXT = """\
name: tiny
base:
  arch: config.json
  weights: base.safetensors
tasks:
  - name: task0
    expert: {weights: task0.safetensors}
    data:
      kind: arrays
      path: task0.npz
    classes: [red, green]
    templates: ["a {}"]
  - name: task1
    data: {kind: arrays, path: task1.npz}
    classes: [red, green]
    templates:
      - "a {}"
defaults:
  adamerging: {lr: 0.01}
"""


def parsed(text: str | bytes, folder: Path) -> Any:
    """The parsed suite file `suite.yaml` with this content."""
    path = folder / "suite.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return parse_suite(path)


def test_a_suite_file_is_read_as_written(tmp_path: Path) -> None:
    found = parsed(TEXT, tmp_path)
    assert (found.name, found.base.arch, found.base.weights) == ("tiny", "config.json", "base.safetensors")
    assert [task.name for task in found.tasks] == ["task0", "task1"]
    assert found.tasks[0].expert.weights == "task0.safetensors"
    assert found.tasks[1].expert is None
    assert found.tasks[0].classes == ("red", "green")
    assert found.defaults == {"adamerging": {"lr": 0.01}}


def test_the_tiny_suite_is_a_suite(tiny_suite: Path) -> None:
    found = find(str(tiny_suite))
    assert (found.name, found.title) == ("tiny", "tiny")
    assert found.experts == ("task0", "task1", "task2")
    assert found.missing() == []


MISTAKES = [
    ("name: tiny", "nam: tiny", 1, "`nam` should be a known key"),
    ("name: tiny", "name: ''", 1, "`name` should be 1 to 64 letters"),
    ("name: tiny", "name: ../tiny", 1, "`name` should be 1 to 64 letters"),
    ("name: tiny", "name: <b>", 1, "`name` should be 1 to 64 letters"),
    ("name: tiny", 'name: "tiny\\n"', 1, "`name` should be 1 to 64 letters"),
    ("name: tiny", "name: 5", 1, "`name` should be a valid string"),
    ("  arch: config.json", "  arch: [a]", 3, "`base.arch` should be a valid string"),
    ("  weights: base.safetensors", "  weight: base.safetensors", 4, "`base.weight` should be a known key"),
    ("  - name: task0", "  - name: =1+1", 6, "`tasks.0.name` should be 1 to 64 letters"),
    ("  - name: task0", "  - name: base", 6, "`tasks.0.name` should be a name other than `base`"),
    ("  - name: task1", "  - name: task0", 13, "`tasks.1.name` should be a name of its own; `task0` is taken"),
    ("expert: {weights: task0.safetensors}", "expert: {weight: x}", 7, "`tasks.0.expert.weight` should be a known key"),
    ("expert: {weights: task0.safetensors}", "expert: x", 7, "`tasks.0.expert` should be a valid"),
    ("      kind: arrays", "      kind: url", 9, "`tasks.0.data.kind` should be one of arrays, folder"),
    ("      path: task0.npz", "      paths: task0.npz", 10, "`tasks.0.data.paths` should be a known key"),
    (
        "    classes: [red, green]",
        "    classes: [red]",
        11,
        "`tasks.0.classes` should be a list of at least 2; found 1",
    ),
    ("    classes: [red, green]", "    classes: []", 11, "at least 2; found 0"),
    ("    classes: [red, green]", "    classes: [red, 1]", 11, "`tasks.0.classes.1` should be a valid string"),
    ("    classes: [red, green]", "    classes: [yes, green]", 11, "`tasks.0.classes.0` should be a valid string"),
    ('    templates: ["a {}"]', "    templates: []", 12, "at least 1; found 0"),
    ('    templates: ["a {}"]', "    templates: [a]", 12, "exactly one {} for the class name"),
    ('    templates: ["a {}"]', '    templates: ["{} {}"]', 12, "exactly one {}"),
    ('    templates: ["a {}"]', '    templates: ["{0} {}"]', 12, "exactly one {}"),
    ('    templates: ["a {}"]', '    templates: ["{.__class__}"]', 12, "exactly one {}"),
    ('      - "a {}"', '      - "a {"', 17, "`tasks.1.templates.0` should be a text with exactly one {}"),
    ("  adamerging: {lr: 0.01}", "  adamerging: 3", 19, "`defaults.adamerging` should be a valid dictionary"),
    ("name: tiny", "name: tiny\nname: tiny", 1, "`name` occurs more than once"),
    ("      path: task0.npz", "      path: a.npz\n      path: b.npz", 10, "`path` occurs more than once"),
    ("    classes: [red, green]", "    classes: &c [red, *c]", 11, "aliases are not allowed"),
    ("  - name: task0", "  - &t\n    name: task0", 6, "aliases are not allowed"),
    ("    classes: [red, green]", "    classes: [red, green", 12, "not valid YAML"),
    ("      path: task0.npz", "\tpath: x", 10, "not valid YAML"),
    ("      path: task0.npz", "      path: \x07", 10, "not valid YAML: special characters"),
    ("      path: task0.npz", "      path: !!python/object/apply:os.system [id]", 10, "not valid YAML"),
    ("name: tiny", "title: 2024-99-99", 1, "not valid YAML: bad value"),
    ("name: tiny", "title: !!bool maybe", 1, "not valid YAML: bad value"),
    ("name: tiny", "title: " + "[" * 1000, 1, "nested too deeply"),
    ("defaults:", "---\ndefaults:", 18, "another document"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), MISTAKES, ids=[f"{m[1][:30]!r}" for m in MISTAKES])
def test_each_mistake_names_its_line(old: str, new: str, line: int, message: str, tmp_path: Path) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    if new == "  - &t\n    name: task0":
        text += "extra: *t\n"
    with pytest.raises(BadSuite) as caught:
        parsed(text, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, str(caught.value)  # What only follows from a mistake is no line of its own.
    assert f"`suite.yaml`, line {line}:" in lines[0]
    assert message in lines[0]


def test_every_problem_is_listed_not_only_the_first(tmp_path: Path) -> None:
    with pytest.raises(BadSuite) as caught:
        parsed(TEXT.replace("classes: [red, green]", "classes: [red]").replace("arch:", "arc:"), tmp_path)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "`suite.yaml`, line 3",
        "`suite.yaml`, line 11",
        "`suite.yaml`, line 15",
    ]
    assert "`base.arc` should be a known key; `arch` is missing; perhaps you meant that" in str(caught.value)


def test_a_list_that_is_too_short_is_told_beside_its_wrong_entries(tmp_path: Path) -> None:
    with pytest.raises(BadSuite) as caught:
        parsed(TEXT.replace("classes: [red, green]", "classes: [1]", 1), tmp_path)
    wrong, short = str(caught.value).splitlines()
    assert "`tasks.0.classes.0` should be a valid string" in wrong
    assert "at least 2; found 1" in short


def test_text_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match=r"line 6: should be UTF-8"):
        parsed(TEXT.encode().replace(b"task0\n", b"task\xff\n", 1), tmp_path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "3\n", "just text\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match=r"line 1: `the file` should be a valid dictionary"):
        parsed(text, tmp_path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match="larger than 512 KiB"):
        parsed(b"#" * (MAX_BYTES + 1), tmp_path)


def test_too_many_tasks_are_refused(tmp_path: Path) -> None:
    task = "  - {name: t%d, data: {kind: arrays, path: a.npz}, classes: [a, b], templates: ['{}']}\n"
    head = TEXT[: TEXT.index("tasks:")]
    assert len(parsed(head + "tasks:\n" + "".join(task % i for i in range(64)), tmp_path).tasks) == 64
    with pytest.raises(BadSuite, match=r"line 6: `tasks` should .*at most 64; found 65"):
        parsed(head + "tasks:\n" + "".join(task % i for i in range(65)), tmp_path)


@pytest.mark.slow
def test_damaged_files_are_refused_with_a_line_and_never_crash(tmp_path: Path) -> None:
    chance = random.Random(0)
    refused = []
    for _ in range(150):
        text = bytearray(TEXT.encode())
        at = chance.randrange(len(text))
        text[at : at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(4)))
        try:
            parsed(bytes(text), tmp_path)
        except BadSuite as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert [line for message in refused for line in message.splitlines() if ", line " not in line] == []


def edited(folder: Path, **base: str) -> Any:
    """The tiny suite with another base entry."""
    path = make_suite(folder)
    description = yaml.safe_load(path.read_text())
    description["base"] |= base
    path.write_text(yaml.safe_dump(description, sort_keys=False))
    return find(str(path))


@pytest.mark.parametrize(
    "path",
    ["../base.safetensors", "/etc/hostname", "sub/../../base.safetensors", "out", "out/base.safetensors", "link"],
)
def test_nothing_outside_the_suites_folder_is_opened(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    (tmp_path / "base.safetensors").write_bytes(b"secret")
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    (folder / "link").symlink_to("/etc/hostname")
    suite = edited(folder, weights=path)
    with pytest.raises(BadSuite, match="leads outside the suite's folder"):
        suite.resolve(path)
    with pytest.raises(BadSuite, match="leads outside the suite's folder"):
        suite.missing()


def test_a_link_that_stays_inside_is_fine(tmp_path: Path) -> None:
    suite = edited(tmp_path, weights="link.safetensors")
    (tmp_path / "link.safetensors").symlink_to("base.safetensors")
    assert suite.missing() == []


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000, "loop/x"])
def test_paths_that_are_none_are_named(path: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BadSuite, match=r"tiny\.yaml.*not a usable path") as caught:
        edited(tmp_path, weights=path).missing()
    assert len(str(caught.value)) < 400


def test_missing_files_are_all_listed(tmp_path: Path) -> None:
    suite = edited(tmp_path, weights="nowhere.safetensors")
    (tmp_path / "task1.safetensors").unlink()
    (tmp_path / "task2.npz").unlink()
    assert suite.missing() == [
        "base: `nowhere.safetensors` is missing",
        "expert of task1: `task1.safetensors` is missing",
        "images of task2: `task2.npz` is missing",
    ]


@pytest.mark.parametrize("name", ["nowhere.yaml", "a" * 5000 + ".yaml", "a\0.yaml"])
def test_a_suite_file_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(BadSuite, match="Found no file of that name"):
        find(name)


def test_unknown_suites_and_tasks_list_what_exists(home: Path, tiny_suite: Path) -> None:
    with pytest.raises(UnknownName, match="suite `nowhere`"):
        find("nowhere")
    with pytest.raises(UnknownName, match=r"`task9`.*task0, task1, task2"):
        find(str(tiny_suite)).task("task9")


def test_suites_of_the_person_are_found_by_name(home: Path) -> None:
    path = make_suite(home / "suites")
    assert available()["tiny"] == path
    assert find("tiny").root == path.parent.resolve()


@pytest.mark.parametrize(
    "name", ["ViT-B-3", "", "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "local-dir:/etc", "local-dir:.", "none"]
)
def test_architectures_are_those_open_clip_ships_and_no_others(name: str, tmp_path: Path) -> None:
    """`hf-hub:` would be fetched and `local-dir:` opened by open_clip, wherever it lies."""
    (tmp_path / "open_clip_config.json").write_text((make_suite(tmp_path).parent / "config.json").read_text())
    with pytest.raises(UnknownName, match="architecture"):
        edited(tmp_path, arch=name).arch()
