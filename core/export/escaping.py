"""Text that Markdown, LaTeX and spreadsheets take as text; HTML has `html.escape`."""

from __future__ import annotations

import re
from html import escape

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
