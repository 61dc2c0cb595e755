"""Tables as texts: one writer a format, which escapes all that it writes. The terminal's is `core.cli.output`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

Line = Sequence[str]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "_": r"\_",
        "%": r"\%",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "λ": r"$\lambda$",
        "τ": r"$\tau$",
        "ρ": r"$\rho$",
        "−": "$-$",
        "–": "--",
        "×": r"$\times$",
        "≥": r"$\geq$",
        "±": r"$\pm$",
    }
)


class Best(str):
    """A cell that stands out, as the best of its column does."""

    __slots__ = ()


@dataclass(frozen=True)
class Grid:
    """What people read of a table: texts to the left, then numbers. Lines of one block compare with each other."""

    heads: Line
    blocks: Sequence[Sequence[Line]]

    @property
    def lines(self) -> list[Line]:
        """All lines, without their blocks."""
        return [line for block in self.blocks for line in block]


def latex(grid: Grid) -> str:
    """A booktabs table, blocks apart by a rule."""
    rows = [rf"\begin{{tabular}}{{l{'r' * (len(grid.heads) - 1)}}}", r"\toprule", _latex_line(grid.heads)]
    for block in grid.blocks:
        rows += [r"\midrule", *map(_latex_line, block)]
    return "\n".join([*rows, r"\bottomrule", r"\end{tabular}"])


def _latex_line(line: Line) -> str:
    return " & ".join(_marked(line, for_latex, r"\textbf{", "}")) + r" \\"


def markdown(grid: Grid) -> str:
    """A Markdown table."""
    rule = ["---", *["---:"] * (len(grid.heads) - 1)]
    lines = [_marked(line, for_markdown, "**", "**") for line in (grid.heads, *grid.lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def html(grid: Grid, kind: str) -> str:
    """A table of the class `kind`."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in _marked(grid.heads, escape, "", ""))
    body = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in _marked(line, escape, '<b>', '</b>'))}</tr>"
        for line in grid.lines
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def tsv(grid: Grid) -> str:
    """Tabs between cells, for pasting into a document or a spreadsheet."""
    return "\n".join(
        "\t".join(for_sheet(" ".join(cell.split())) for cell in line) for line in (grid.heads, *grid.lines)
    )


def csv(frame: DataFrame) -> str:
    """Numbers at full precision; text that a spreadsheet would take for a formula is quoted, numbers never are."""
    quoted = frame.map(lambda value: sheet_cell(value) if isinstance(value, str) else value)
    return str(quoted.set_axis(map(sheet_cell, frame.columns), axis=1).to_csv(index=False, lineterminator="\n"))


def sheet_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula, nor for the end of a line."""
    # A carriage return is not put between quotes where lines end without one, but ends one for who reads.
    return for_sheet(text).replace("\r", " ")


def _marked(line: Line, escaped: Callable[[str], str], before: str, after: str) -> list[str]:
    return [f"{before}{escaped(cell)}{after}" if isinstance(cell, Best) else escaped(cell) for cell in line]


def for_sheet(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def for_latex(text: str) -> str:
    """One line with LaTeX's special characters escaped."""
    return " ".join(text.split()).translate(_LATEX)


def for_markdown(text: str) -> str:
    """One line that Markdown shows as it is, also inside a table."""
    flat = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", flat)
