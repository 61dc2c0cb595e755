"""Whatever a name holds, no format takes it for anything else than text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from pandas import DataFrame

from core.cli.output import print_grid
from core.export import render
from core.export.render import Best, Grid

HOSTILE = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\tb", "two\nlines", "<script>alert(1)</script>", "a & b < c",
    '"quoted"', "'single'", "a|b", "[link](http://x)", "*bold* _and_ `code`", "# head", "~strike~", "back\\slash",
    r"\input{/etc/passwd}", "100% of $x^2$ {y} ~ & #", "λ τ ρ − × ≥ ± –", "[red]markup[/red]", "\x1b[31mred", ":smile:",
)  # fmt: skip


@pytest.fixture(params=HOSTILE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def flat(text: str) -> str:
    return " ".join(text.split())


def grid(name: str) -> Grid:
    """The name as a head, as a label, as a cell and as the best cell."""
    return Grid([name, "Average", name], [[[name, Best(name), "90.0"]], [["plain", name, "80.0"]]])


def test_csv_gives_back_every_text_behind_a_quote_where_it_begins_a_formula(name: str) -> None:
    [heads, line] = list(
        csv.reader(
            io.StringIO(
                render.csv(DataFrame([[name, -0.25, None]], columns=[name, "x", name], dtype=object)), newline=""
            )
        )
    )
    kept = (f"'{name}" if name[0] in "=+-@\t\r" else name).replace("\r", " ")
    assert heads == [kept, "x", kept]
    assert line == [kept, "-0.25", ""]


def test_tabs_stay_between_cells(name: str) -> None:
    lines = render.tsv(grid(name)).split("\n")
    assert [len(line.split("\t")) for line in lines] == [3, 3, 3]
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line.split("\t"))


class Texts(HTMLParser):
    """Collects tags and the texts of cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


def test_html_shows_the_text_and_has_no_tags_of_its_own(name: str) -> None:
    found = Texts()
    found.feed(render.html(grid(name), "mc-table"))
    assert found.tags == {"table", "thead", "tbody", "tr", "th", "td", "b"}
    assert found.cells == [name, "Average", name, name, name, "90.0", "plain", name, "80.0"]


def test_markdown_keeps_its_columns_and_marks_nothing_else(name: str) -> None:
    lines = render.markdown(grid(name)).split("\n")
    assert len(lines) == 4
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4
        assert "<" not in line
    bare = lines[3].replace("\\\\", "")
    assert not re.search(r"(?<!\\)[*_`\[\]#~]", bare)


def test_latex_has_no_command_but_its_own(name: str) -> None:
    body = render.latex(grid(name)).split("\n")
    cells = [cell for line in body if "&" in line for cell in re.split(r"(?<!\\)&", line.removesuffix(r" \\"))]
    assert len(cells) == 9
    known = r"\\(textbf|textbackslash|textasciitilde|textasciicircum|lambda|tau|rho|times|geq|pm)\b|\\[{}$&#_%]"
    for cell in cells:
        rest = re.sub(known, "", cell)
        assert not re.search(r"[\\&#_%^~]", rest)
        assert rest.count("{") == rest.count("}")
        assert rest.count("$") % 2 == 0
    assert r"\textbf{" in body[4]


def test_the_terminal_shows_the_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_grid("title", grid(name))
    out, name = flat(capsys.readouterr().out), name.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert out.isprintable()
    assert f"{flat(name)} *" in out
    assert flat(name) in out


@pytest.mark.parametrize("write", [render.latex, render.markdown, render.tsv, lambda grid: render.html(grid, "t")])
def test_a_table_without_a_line_is_its_heads(write: Callable[[Grid], str]) -> None:
    assert "Average" in write(Grid(["Method", "Average"], [[]]))
