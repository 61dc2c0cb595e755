"""Colours and the Gradio theme: calm surfaces, one accent colour, light and dark, local fonts only.

`LIGHT` and `DARK` are the only place where colours are written down; the style sheet and the charts' exports take them
from here. Every pair of text and background reaches a contrast of 4.5 (a test computes it).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dashboard.settings import WEB

if TYPE_CHECKING:
    from gradio.themes import Base

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace")


@dataclass(frozen=True)
class PageColours:
    """Colours of one mode as CSS hex values."""

    surface: str
    card: str
    raised: str
    """Inputs and hovered rows."""
    line: str
    strong_line: str
    """Borders of controls: 3:1 against the card."""
    text: str
    muted: str
    accent: str
    accent_hover: str
    accent_soft: str
    on_accent: str
    warm: str
    """The second mark in charts, where one accent is not enough."""
    bad: str
    bad_soft: str
    good: str
    warn: str
    warn_soft: str


LIGHT = PageColours(
    surface="#f7f7f5",
    card="#ffffff",
    raised="#f3f4f2",
    line="#e2e3df",
    strong_line="#8b938f",
    text="#1c2023",
    muted="#58636a",
    accent="#0f6b66",
    accent_hover="#0b5450",
    accent_soft="#e0f0ee",
    on_accent="#ffffff",
    warm="#b4481f",
    bad="#b3261e",
    bad_soft="#fbeae8",
    good="#1d6b34",
    warn="#7a5200",
    warn_soft="#fbf1dc",
)
DARK = PageColours(
    surface="#14181b",
    card="#1c2024",
    raised="#252a2f",
    line="#30363b",
    strong_line="#748089",
    text="#eceff1",
    muted="#a3adb4",
    accent="#4cc3b8",
    accent_hover="#6fd3ca",
    accent_soft="#1d3a39",
    on_accent="#0d1d1c",
    warm="#f2915f",
    bad="#ff8a80",
    bad_soft="#3c2325",
    good="#7fd197",
    warn="#f0c36a",
    warn_soft="#3a301b",
)


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


def _properties(palette: PageColours) -> str:
    return "".join(f"--ms-{name.replace('_', '-')}:{value};" for name, value in asdict(palette).items())


def _fonts(names: tuple[str, ...]) -> str:
    return ",".join(f'"{name}"' if " " in name else name for name in names)


_NAMES = {name.replace("_", "-") for name in asdict(LIGHT)}
_GRADIO = {
    "body_background_fill": "surface",
    "body_text_color": "text",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "card",
    "background_fill_secondary": "surface",
    "border_color_primary": "line",
    "border_color_accent": "accent",
    "border_color_accent_subdued": "line",
    "color_accent": "var(--ms-accent)",
    "color_accent_soft": "accent-soft",
    "accordion_text_color": "text",
    "block_background_fill": "card",
    "block_border_color": "line",
    "block_border_width": "0px",
    "block_label_background_fill": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "muted",
    "block_info_text_color": "muted",
    "block_shadow": "none",
    "block_title_text_color": "text",
    "block_title_text_weight": "600",
    "block_padding": "0px",
    "block_radius": "8px",
    "panel_background_fill": "transparent",
    "panel_border_width": "0px",
    "button_large_radius": "8px",
    "button_medium_radius": "8px",
    "button_small_radius": "8px",
    "button_large_text_weight": "600",
    "button_medium_text_weight": "500",
    "button_small_text_weight": "500",
    "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent-hover",
    "button_primary_border_color": "accent",
    "button_primary_text_color": "on-accent",
    "button_primary_text_color_hover": "on-accent",
    "button_primary_shadow": "none",
    "button_primary_shadow_hover": "none",
    "button_primary_shadow_active": "none",
    "button_secondary_background_fill": "card",
    "button_secondary_background_fill_hover": "raised",
    "button_secondary_border_color": "line",
    "button_secondary_text_color": "text",
    "button_secondary_text_color_hover": "text",
    "button_secondary_shadow": "none",
    "button_secondary_shadow_hover": "none",
    "button_secondary_shadow_active": "none",
    "button_cancel_background_fill": "card",
    "button_cancel_background_fill_hover": "bad-soft",
    "button_cancel_border_color": "line",
    "button_cancel_text_color": "bad",
    "button_cancel_text_color_hover": "bad",
    "button_border_width": "1px",
    "checkbox_background_color": "card",
    "checkbox_background_color_hover": "raised",
    "checkbox_background_color_selected": "accent",
    "checkbox_border_color": "strong-line",
    "checkbox_border_color_hover": "accent",
    "checkbox_border_color_selected": "accent",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_hover": "raised",
    "checkbox_label_background_fill_selected": "accent-soft",
    "checkbox_label_border_color": "line",
    "checkbox_label_text_color": "text",
    "checkbox_label_text_color_selected": "text",
    "checkbox_label_shadow": "none",
    "checkbox_shadow": "none",
    "input_background_fill": "card",
    "input_background_fill_focus": "card",
    "input_background_fill_hover": "card",
    "input_border_color": "strong-line",
    "input_border_color_focus": "accent",
    "input_border_color_hover": "accent",
    "input_border_width": "1px",
    "input_placeholder_color": "muted",
    "input_radius": "8px",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 2px var(--ms-accent-soft)",
    "link_text_color": "accent",
    "link_text_color_hover": "accent-hover",
    "link_text_color_active": "accent",
    "link_text_color_visited": "accent",
    "loader_color": "accent",
    "slider_color": "accent",
    "stat_background_fill": "accent",
    "shadow_drop": "none",
    "shadow_drop_lg": "none",
    "shadow_inset": "none",
    "table_border_color": "line",
    "table_even_background_fill": "card",
    "table_odd_background_fill": "surface",
    "table_row_focus": "accent-soft",
    "table_text_color": "text",
    "table_radius": "8px",
    "error_background_fill": "bad-soft",
    "error_border_color": "bad",
    "error_text_color": "bad",
    "error_icon_color": "bad",
    "code_background_fill": "raised",
}
