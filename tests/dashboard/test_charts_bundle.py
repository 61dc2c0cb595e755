"""The scripts as files: complete, compressed, cached by content."""

from __future__ import annotations

import gzip
import re

import pytest

from dashboard.charts import bundle


@pytest.mark.parametrize("name", ["plotly.js", "base.js", "charts.js", "charts.css"])
def test_compressed_and_plain_answers_hold_the_same_file(name) -> None:
    plain, zipped = bundle.response(name), bundle.response(name, "br, gzip")
    assert plain is not None
    assert zipped is not None
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert "immutable" in plain.headers["cache-control"]
    assert len(zipped.body) < 0.5 * len(plain.body)


def test_other_names_are_somebody_elses() -> None:
    assert bundle.response("shell.js") is None
    assert bundle.response("../palette.py") is None


def test_every_module_is_in_the_program_once() -> None:
    found = {path.stem for path in (bundle.HERE / "js").glob("*.js")}
    assert found == set(bundle.MODULES)
    assert len(bundle.MODULES) == len(found)


def test_address_changes_with_the_content() -> None:
    assert len({bundle.url(name) for name in bundle.files()}) == 4
    assert re.fullmatch(r"/web/charts\.js\?v=[0-9a-f]{12}", bundle.url("charts.js"))


@pytest.mark.parametrize("path", sorted((bundle.HERE / "js").glob("*.js")), ids=lambda path: path.stem)
def test_scripts_write_text_only_and_stay_short(path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert len(text.splitlines()) <= 300


def test_licence_lies_beside_the_vendored_library() -> None:
    assert "MIT" in bundle.PLOTLY.with_name("plotly-cartesian.LICENSE.txt").read_text("utf-8")
    assert "v4.1.1" in bundle.PLOTLY.read_text("utf-8")[:200]
