"""Captioned pictures for pre-training that belong to no task: clip art, icons, emoji, other flags, other characters."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from .drawings import coloured, draw, families, hexadecimal, sticker
from .drawn import FLAG_VENDORS, HELD_OUT_VENDORS, TEST_VENDORS, waving
from .samples import Sample, digest, thumbnail
from .surfaces import LOOKS, Rng, colour
from .tasks import BY_NAME, PRODUCE, TASKS
from .typefaces import each, faces, split_faces

CLIP_ART = Path("deb/x/openclipart-png/usr/share/openclipart/png")
EMOJI = ("fluent-emoji-flat", "fluent-emoji", "emojione", "fxemoji", "streamline-emojis")
STYLE_WORD = re.compile(
    "outlined?|filled|fill|line|linear|bold|duotone|two|tone|thin|light|regular|solid|sharp|rounded|round|broken|black|"
    "white|color|alt|[osrbf123]|0[123]|12|15|16|20|24|28|32|48|ios|md|logo|icon|sym"
)
OTHER_CHARACTERS = {
    "letters": "CDFJLNPTUVWXYZ",
    "greek": "αβγδεζθλμπσφψω",
    "hiragana": "いうえおくけこせそたちとなねはひふへほみむめらりれろわん",
    "arabic": "بترفقيد",
}


def clip_art(work: Path, rng: Rng) -> list[Sample]:
    """Public-domain clip art; the file name and its folder are the caption."""
    found = []
    for file in sorted((work / CLIP_ART).rglob("*.png")):
        if "stars" in file.parts and rng.random() < 0.85:
            continue
        with Image.open(file) as image:
            if image.width * image.height > 4e6:
                continue
            shown = image.convert("RGBA")
        shown.thumbnail((64, 64), Image.Resampling.BOX)
        if shown.getbbox():
            words = " ".join(w for w in re.sub("[^a-z]+", " ", file.stem.lower()).split() if len(w) > 2)[:40]
            picture = sticker(shown.crop(shown.getbbox()), rng, turn=3)
            found.append(
                Sample(
                    picture,
                    -1,
                    thumbnail(shown),
                    f"clip art of {words}, {file.parent.name.replace('_', ' ')}",
                )
            )
    return found


def icons(work: Path, rng: Rng, vendors: int = 6) -> list[Sample]:
    """Icons whose name at least six vendors draw: a name drawn once teaches nothing."""
    left_out = {*TEST_VENDORS, *HELD_OUT_VENDORS, *FLAG_VENDORS, *EMOJI}
    named: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for prefix, family in families(work).items():
        if prefix not in left_out and not prefix.startswith(("noto", "flag", "circle", "openmoji")):
            for icon in family["icons"]:
                name = " ".join(t for t in icon.split("-") if not STYLE_WORD.fullmatch(t))
                if 3 <= len(name) <= 30:
                    named.setdefault(name, {}).setdefault(prefix.split("-")[0], []).append((prefix, icon))
    found = []
    for name, by_vendor in named.items():
        if len(by_vendor) < vendors:
            continue
        choices = [c for options in by_vendor.values() for c in sorted(options, key=lambda c: digest(str(c)))[:2]]
        for prefix, icon in sorted(choices, key=lambda c: digest(str(c)))[:24]:
            family = families(work)[prefix]
            ink = hexadecimal(colour(rng, (0, 1), (0, 1), (0, 0.45)))
            image = draw(family, icon, "#000000" if coloured(family) else ink)
            if image is not None:
                found.append(Sample(sticker(image, rng, turn=5), -1, thumbnail(image), f"an icon of {name}"))
    return found


def emoji(work: Path, rng: Rng) -> list[Sample]:
    """Emoji of the training vendors, without the fruit, vegetables and flags of the tasks."""
    found = []
    for vendor in EMOJI:
        family = families(work)[vendor]
        for name in family["icons"]:
            words = name.replace("-", " ")
            if name in PRODUCE or re.search(r"skin-tone|flag|^(man|woman|men|women|person)-", name):
                continue
            image = draw(family, name)
            if image is not None:
                found.append(Sample(sticker(image, rng), -1, thumbnail(image), f"an emoji of {words}"))
    return found


def other_flags(work: Path, rng: Rng) -> list[Sample]:
    """Flags of countries that the task does not ask for."""
    known = {c.lower().replace(" ", "-") for c in BY_NAME["flags"].classes}
    found = []
    for vendor, start in (("emojione", "flag-for-"), ("fxemoji", "")):
        family = families(work)[vendor]
        for name in family["icons"]:
            country = name.removeprefix(start).removesuffix("flag")
            is_flag = name.startswith(start) if start else name.endswith("flag")
            if is_flag and country not in known and country not in {k.replace("-", "") for k in known}:
                image = draw(family, name)
                if image is not None:
                    text = f"the flag of {country.replace('-', ' ')}"
                    found += [Sample(waving(image, rng), -1, thumbnail(image), text) for _ in range(4)]
    return found


def other_characters(work: Path, rng: Rng) -> list[Sample]:
    """Characters of the same scripts that no task asks for, from training typefaces only."""
    found = []
    looks = list(LOOKS)
    for task in TASKS:
        if task.name not in OTHER_CHARACTERS:
            continue
        train = split_faces(faces(work / "npm/node_modules", task.characters), task.salt)["train"]
        for _face, character, image in each(train, OTHER_CHARACTERS[task.name], 1):
            if rng.random() < min(1.0, 3000 / (len(train) * len(OTHER_CHARACTERS[task.name]))):
                picture = LOOKS[task.look if rng.random() < 0.5 else str(rng.choice(looks))](image, rng)
                text = f"the {task.name.removesuffix('s')} character {character}"
                found.append(Sample(picture, -1, thumbnail(image), text))
    return found


def generic(work: Path, seed: int) -> list[Sample]:
    """The whole generic part of the pre-training pictures."""
    rng = np.random.default_rng(seed)
    parts = (clip_art, icons, emoji, other_flags, other_characters)
    return [sample for part in parts for sample in part(work, rng)]
