"""Drawings out of the icon, emoji and flag families of the npm package @iconify/json."""

from __future__ import annotations

import io
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .samples import SIZE, Pixels
from .surfaces import Rng, colour, finish

# These licences ask for attribution at most; share-alike, copyleft and non-commercial families are out.
LICENCES = {"MIT", "Apache-2.0", "CC0-1.0", "CC-BY-4.0", "ISC", "OFL-1.1", "Unlicense", "BSD-3-Clause"}
# Logos and file-type badges: other people's trade marks, and no use as words.
TRADE_MARKS = (
    "logos",
    "simple-icons",
    "devicon",
    "skill-icons",
    "vscode-icons",
    "token",
    "cryptocurrency",
    "selfhst",
    "thesvg",
    "material-icon-theme",
    "catppuccin",
    "file-icons",
    "fa-brands",
    "fa6-brands",
    "fa7-brands",
    "cib",
    "bxl",
    "gcp",
    "k8s",
    "unjs",
    "nonicons",
    "brandico",
    "bi-brand",
    "streamline-logos",
    "fontisto",
    "uil-brand",
    "arcticons",
)
FOLDER = Path("npm/node_modules/@iconify/json/json")


@cache
def families(work: Path) -> dict[str, dict[str, Any]]:
    """Every family under a permissive licence, by its prefix."""
    read = {
        file.stem: json.loads(file.read_text())
        for file in sorted((work / FOLDER).glob("*.json"))
        if not file.stem.startswith(TRADE_MARKS)
    }
    return {name: family for name, family in read.items() if family["info"]["license"].get("spdx") in LICENCES}


def coloured(family: dict[str, Any]) -> bool:
    """Does the family bring its own colours?"""
    return bool(family["info"].get("palette", False))


def find(family: dict[str, Any], name: str) -> dict[str, Any] | None:
    """An icon by name or alias."""
    name = family.get("aliases", {}).get(name, {}).get("parent", name)
    icon = family["icons"].get(name)
    return icon if isinstance(icon, dict) else None


def draw(family: dict[str, Any], name: str, ink: str = "#000000", size: int = 48) -> Image.Image | None:
    """Rasterise one icon to at most `size` px, or None where it is empty."""
    import resvg_py

    icon = find(family, name)
    if icon is None:
        return None
    wide, high = (icon.get(side, family.get(side, 16)) for side in ("width", "height"))
    left, top = (icon.get(side, family.get(side, 0)) for side in ("left", "top"))
    body = re.sub(r"<(animate|set)\b.*?(/>|</\1>)", "", icon["body"]).replace("currentColor", ink)
    scale = size / max(wide, high)
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {wide} {high}" width="{round(wide * scale) or 1}" height="{round(high * scale) or 1}">'
        f"{body}</svg>"
    )
    try:
        image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=text, skip_system_fonts=True)))).convert(
            "RGBA"
        )
    except ValueError:
        return None
    box = image.getbbox()
    return image.crop(box) if box else None


def hexadecimal(value: np.ndarray) -> str:
    """#rrggbb of a colour."""
    return "#" + "".join(f"{int(v):02x}" for v in value)


def sticker(image: Image.Image, rng: Rng, low: int = 22, high: int = 29, turn: float = 14) -> Pixels:
    """The drawing on a plain or two-toned ground, at a random size, rotation and position."""
    scale = rng.integers(low, high + 1) / max(image.size)
    size = (max(2, round(image.width * scale)), max(2, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BOX).rotate(
        rng.uniform(-turn, turn), Image.Resampling.BICUBIC, expand=True
    )
    hue = rng.uniform()
    ground = np.stack([colour(rng, (hue, hue + 0.15), (0, 0.55), (0.55, 1)) for _ in range(2)])
    ramp = np.linspace(0, 1, SIZE)[:, None, None]
    canvas = Image.fromarray(finish(np.broadcast_to(ground[0] * (1 - ramp) + ground[1] * ramp, (SIZE, SIZE, 3))))
    x, y = ((SIZE - n) // 2 + int(rng.integers(-2, 3)) for n in small.size)
    canvas.paste(small, (x, y), small)
    return np.asarray(canvas)
