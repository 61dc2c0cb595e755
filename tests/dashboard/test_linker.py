"""The linker of the page's scripts: modules in order, each once, with names of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.charts.linker import link


def written(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, "utf-8")
    return folder / "entry.js"


def test_a_module_comes_once_and_after_what_it_imports(tmp_path: Path) -> None:
    entry = written(
        tmp_path,
        entry='import { one } from "./one.js";\nimport {\n  two as second,\n} from "./two.js";\nrun(one, second);\n',
        one='import { two } from "./two.js";\nexport const one = two + 1;\n',
        two="const own = 1;\nexport async function two() {}\nexport class Two {}\n",
    )
    program = link(entry)
    places = [program.index(f"const ${name} = ") for name in ("two", "one", "entry")]
    assert places == sorted(places)
    assert program.count("const $two = ") == 1
    assert "return { two, Two };" in program
    assert "two: second" in program
    assert "import" not in program
    assert "export" not in program


def test_modules_that_are_no_files_are_given(tmp_path: Path) -> None:
    entry = written(tmp_path, entry='import { known } from "./given.js";\n')
    assert "const known = 7;" in link(entry, {"given.js": "export const known = 7;\n"})


def test_a_circle_is_an_error_that_names_it(tmp_path: Path) -> None:
    entry = written(
        tmp_path,
        entry='import { a } from "./other.js";\n',
        other='import { b } from "./entry.js";\nexport const a = b;\n',
    )
    with pytest.raises(ValueError, match=r"other\.js -> entry\.js|entry\.js -> other\.js"):
        link(entry)
