"""Colours and the Gradio theme: calm surfaces, one accent colour, light and dark, local fonts only.

The page's colours are written down here alone, those that only charts have in `dashboard.charts.palette`; style
sheets, charts, the logo and exports take them from there. Every pair of text and background reaches a contrast of 4.5
(a test computes it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.settings import WEB

if TYPE_CHECKING:
    from gradio.themes import Base

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace")


COLOURS = {
    "surface": ("#f7f7f5", "#14181b"),
    "card": ("#ffffff", "#1c2024"),
    "raised": ("#f3f4f2", "#252a2f"),  # Inputs and hovered rows.
    "line": ("#e2e3df", "#30363b"),
    "strong_line": ("#8b938f", "#748089"),  # Borders of controls: 3:1 against the card.
    "text": ("#1c2023", "#eceff1"),
    "muted": ("#58636a", "#a3adb4"),
    "accent": ("#0f6b66", "#4cc3b8"),
    "accent_hover": ("#0b5450", "#6fd3ca"),
    "accent_soft": ("#e0f0ee", "#1d3a39"),
    "on_accent": ("#ffffff", "#0d1d1c"),
    "warm": ("#b4481f", "#f2915f"),  # The second mark in charts, where one accent is not enough.
    "bad": ("#b3261e", "#ff8a80"),
    "bad_soft": ("#fbeae8", "#3c2325"),
    "good": ("#1d6b34", "#7fd197"),
    "warn": ("#7a5200", "#f0c36a"),
    "warn_soft": ("#fbf1dc", "#3a301b"),
}
"""Name -> the colour in the light and in the dark mode."""
LIGHT, DARK = ({name: both[place] for name, both in COLOURS.items()} for place in range(2))


def colours() -> str:
    """Palettes and fonts as custom properties: light, and dark below an element of class `dark`."""
    fonts = f"--ms-font:{_fonts(FONT)};--ms-mono:{_fonts(MONO)};"
    return (
        f":root{{{fonts}{_properties(LIGHT)}color-scheme:light}}\n"
        f".dark{{{_properties(DARK)}color-scheme:dark}}\nbody{{background:var(--ms-surface);color:var(--ms-text)}}\n"
    )


def css() -> str:
    """The style sheet of the pages: the palettes as custom properties, then assets/web/mergescope.css."""
    return colours() + (WEB / "mergescope.css").read_text("utf-8")


def logo() -> str:
    """The logo as part of a page, in the colour of the text around it. HTML needs no namespace."""
    return (WEB / "logo.svg").read_text("utf-8").replace(f' xmlns="{_SVG}"', "")


def icon() -> str:
    """The logo as a file of its own, which no style sheet reaches: in the accent colour, light or dark."""
    dark = f"@media(prefers-color-scheme:dark){{svg{{color:{DARK['accent']}}}}}"
    style = f"<style>svg{{color:{LIGHT['accent']}}}{dark}</style>"
    return (WEB / "logo.svg").read_text("utf-8").replace("<g", f"{style}<g", 1)


def theme() -> Base:
    """The Gradio theme, made of the same custom properties, so that one switch changes everything."""
    import gradio as gr

    base = gr.themes.Base(
        font=list(FONT),
        font_mono=list(MONO),
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md,
    )
    values = {name: f"var(--ms-{value})" if value in _NAMES else value for name, value in _GRADIO.items()}
    both = values | {f"{name}_dark": value for name, value in values.items() if hasattr(base, f"{name}_dark")}
    return base.set(**both)


def _properties(palette: dict[str, str]) -> str:
    return "".join(f"--ms-{name.replace('_', '-')}:{value};" for name, value in palette.items())


def _fonts(names: tuple[str, ...]) -> str:
    return ",".join(f'"{name}"' if " " in name else name for name in names)


_SVG = "http://www.w3.org/2000/svg"
_NAMES = {name.replace("_", "-") for name in COLOURS}
_GRADIO = {  # What Gradio's tabs, sidebar, frame and messages take; the page has no other component of it.
    "body_background_fill": "surface",
    "body_text_color": "text",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "card",
    "background_fill_secondary": "surface",
    "border_color_primary": "line",
    "color_accent": "var(--ms-accent)",
    "color_accent_soft": "accent-soft",
    "block_background_fill": "card",
    "block_border_color": "line",
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0px",
    "block_radius": "8px",
    "loader_color": "accent",
    "error_background_fill": "bad-soft",
    "error_border_color": "bad",
    "error_text_color": "bad",
    "error_icon_color": "bad",
}
