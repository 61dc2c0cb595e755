"""The scripts as files: complete, compressed, cached by content."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from dashboard.charts import bundle

DASHBOARD = Path(bundle.__file__).parents[1]
SCRIPTS = sorted(path for path in DASHBOARD.glob("*/**/*.js") if "node_modules" not in path.parts)


def answer(name: str, encodings: bytes) -> Response:
    scope = {"type": "http", "query_string": b"v=1", "headers": [(b"accept-encoding", encodings)]}
    return bundle.files()[name].answer(Request(scope))


@pytest.mark.parametrize("name", ["plotly.js", "viewer.js", "owner.js", "analysis.css", "logo.svg"])
def test_compressed_and_plain_answers_hold_the_same_file(name) -> None:
    plain, zipped = answer(name, b"br"), answer(name, b"br, gzip")
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert "immutable" in plain.headers["cache-control"]
    assert len(zipped.body) < (0.8 if name == "logo.svg" else 0.5) * len(plain.body)


def test_what_lies_beside_the_web_files_is_not_one_of_them() -> None:
    assert {Path(name).suffix for name in bundle.files()} == {".js", ".css", ".svg", ".txt"}
    assert not {"../palette.py", "screenshots", bundle.PLOTLY.name} & set(bundle.files())


def test_every_module_is_in_the_owners_program_once() -> None:
    programs = bundle.files()["owner.js"].plain.decode()
    found = [path.stem for path in SCRIPTS if "static_export" not in path.parts]
    assert sorted(re.findall(r"^const \$(\w+) = ", programs, re.MULTILINE)) == sorted([*found, "given"])


def test_address_changes_with_the_content() -> None:
    assert len({bundle.url(name) for name in bundle.files()}) == len(bundle.files())
    assert re.fullmatch(r"/web/owner\.js\?v=[0-9a-f]{12}", bundle.url("owner.js"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_write_text_only_and_stay_short(path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert len(text.splitlines()) <= 300


def test_licence_lies_beside_the_vendored_library() -> None:
    assert "MIT" in bundle.PLOTLY.with_name("plotly-cartesian.LICENSE.txt").read_text("utf-8")
    assert "v4.1.1" in bundle.PLOTLY.read_text("utf-8")[:200]


def test_the_text_of_a_button_stands_in_one_script() -> None:
    """Where another text names the button, both take a constant; single words are too common to be told apart."""
    said = r'(?:\b(?:button|quiet)\(\s*|export const \w+ = )"(\S+ [^"]+)"'
    code = {path.name: re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text("utf-8"), flags=re.DOTALL) for path in SCRIPTS}
    owners = {
        text: [name for name in code if text in code[name]] for one in code.values() for text in re.findall(said, one)
    }
    assert "Start merge" in owners
    twice = {"Try again": ["facts.js", "pieces.js"]}  # two boxes, each with such a button
    assert {text: names for text, names in owners.items() if len(names) > 1} == twice


def classes(*sheets: Path) -> set[str]:
    """Names of classes that style sheets have rules for."""
    text = "".join(re.sub(r"/\*.*?\*/", "", sheet.read_text("utf-8"), flags=re.DOTALL) for sheet in sheets)
    return set(re.findall(r"\.(-?[A-Za-z_][\w-]*)", " ".join(re.findall(r"([^{}]+)\{", text))))


def test_what_pages_share_is_styled_in_no_tabs_own_sheet() -> None:
    shared = classes(*bundle.WEB.glob("*.css"), bundle.HERE / "charts.css")
    for sheet in bundle.PAGES.glob("*/*.css"):
        own = {name for name in classes(sheet) - shared if "-" in name}
        for script in (path for path in SCRIPTS if path.parent != sheet.parent):
            assert not own & set(re.findall(r"[\w-]+", script.read_text("utf-8"))), (sheet.name, script.name)
